package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const envPod = `
metadata:
  name: p
  namespace: ns
  uid: u-1
  labels: {app: sweep}
  annotations: {note: "a b"}
spec:
  nodeName: local
  containers:
  - name: main
    resources: {requests: {cpu: 1500m}, limits: {memory: 2Gi}}
    envFrom:
    - {prefix: CM_, configMapRef: {name: settings}}
    - {secretRef: {name: absent, optional: true}}
    env:
    - {name: A, value: one}
    - {name: B, value: "$(A) and $(HOME) and $$(A) and $(CM_key)"}
    - {name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: NODECPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: TOKEN, valueFrom: {secretKeyRef: {name: creds, key: token}}}
    - {name: MISSING, valueFrom: {secretKeyRef: {name: creds, key: none, optional: true}}}
    - {name: OUT, value: /out/x}
`

func envSource(kind, name string) (map[string][]byte, bool, error) {
	switch kind + "/" + name {
	case "ConfigMap/settings":
		return map[string][]byte{"key": []byte("value")}, true, nil
	case "Secret/creds":
		return map[string][]byte{"token": []byte("t0k")}, true, nil
	}
	return nil, false, nil
}

func TestEnvironmentIsTheKubelets(t *testing.T) {
	pod := podFrom(t, envPod)
	env := newEnvironment(map[string]string{"HOME": "/out/home", "A": "the pod's wins"})
	allocatable := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
	if err := addPodEnv(env, pod, &pod.Spec.Containers[0], allocatable, envSource); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"HOME=/out/home", "CM_key=value", "A=one", "B=one and $(HOME) and $(A) and value",
		"UID=u-1", "APP=sweep", "NOTE=a b", "NODE=local", "IP=127.0.0.1",
		"CPU=2", "MEM=2048", "NODECPU=8", "TOKEN=t0k", "OUT=/st/out/x",
	}
	got := env.list(newRewriter([]mount{{"/out", "/st/out"}}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	args := env.expandAll([]string{"--id=$(UID)", "$(NOPE)", "$$(UID)"})
	if diff := cmp.Diff([]string{"--id=u-1", "$(NOPE)", "$(UID)"}, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestMissingValuesSayWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct{ env, want string }{
		"a Secret that does not exist": {
			env:  "env: [{name: X, valueFrom: {secretKeyRef: {name: other, key: k}}}]",
			want: `environment variable X: Secret "other" not found`,
		},
		"a key that does not exist": {
			env:  "env: [{name: X, valueFrom: {configMapKeyRef: {name: settings, key: k}}}]",
			want: `environment variable X: ConfigMap "settings" has no key "k"`,
		},
		"envFrom a ConfigMap that does not exist": {
			env:  "envFrom: [{configMapRef: {name: other}}]",
			want: `envFrom: ConfigMap "other" not found`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podFrom(t, "spec: {containers: [{name: a, "+tc.env+"}]}")
			err := addPodEnv(newEnvironment(nil), pod, &pod.Spec.Containers[0], nil, envSource)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}
