package node

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"
)

func podFrom(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestPodsThatLocalProcessesCannotServeAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  string
		want []string
	}{
		"a trial pod as production runs it": {
			pod: `
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: trainer
    terminationMessagePath: /dev/termination-log
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data, readOnly: true}, {name: tmp, mountPath: /tmp/}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
`,
		},
		"a pod with many problems: the message names all of them": {
			pod: `
spec:
  hostNetwork: true
  containers:
  - name: a
    securityContext: {privileged: true}
    volumeMounts:
    - {name: h, mountPath: /}
    - {name: nf, mountPath: /x/../y}
    - {name: nf, mountPath: /z, subPathExpr: $(A)}
  volumes:
  - {name: h, hostPath: {path: /etc}}
  - {name: nf, nfs: {server: s, path: /}}
`,
			want: []string{
				"hostNetwork (containers share the machine's network anyway: leave it out)",
				"volume h is a hostPath: use a PersistentVolumeClaim; " +
					"`localcluster volume` makes a PersistentVolume over a local directory",
				"volume nf is of a kind that this node does not support: it supports " +
					"emptyDir, configMap, secret, projected, downwardAPI and persistentVolumeClaim",
				"container a: privileged",
				`container a: mountPath "/" is the root directory, which looks the same as the machine's root`,
				`container a: mountPath "/x/../y" must be written without . and .. and double slashes`,
				"container a: subPathExpr on volume nf: use subPath",
			},
		},
		"a sidecar": {
			pod:  "spec: {initContainers: [{name: s, restartPolicy: Always}], containers: [{name: a}]}",
			want: []string{"container s: a restart policy for one container (sidecar containers are not supported)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, refusals(podFrom(t, tc.pod))); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsFitWhatIsLeft(t *testing.T) {
	allocatable := corev1.ResourceList{
		corev1.ResourceCPU:  resource.MustParse("4"),
		corev1.ResourcePods: resource.MustParse("3"),
		gpuResource:         resource.MustParse("1"),
	}
	asks := func(cpu, gpu string) *corev1.Pod {
		const pod = "spec: {containers: [{name: a, resources: {requests: {cpu: '%s', nvidia.com/gpu: '%s'}}}]}"
		return podFrom(t, fmt.Sprintf(pod, cpu, gpu))
	}
	for name, tc := range map[string]struct {
		running []*corev1.Pod
		pod     *corev1.Pod
		want    string // the reason; "" if the pod fits
	}{
		"an empty node": {
			pod: asks("4", "1"),
		},
		"more CPU than the node has": {
			pod:  asks("4500m", "0"),
			want: "OutOfcpu",
		},
		"more CPU than is left": {
			running: []*corev1.Pod{asks("3", "0")},
			pod:     asks("2", "0"),
			want:    "OutOfcpu",
		},
		"another pod has the GPU": {
			running: []*corev1.Pod{asks("1", "1")},
			pod:     asks("1", "1"),
			want:    "OutOfnvidia.com/gpu",
		},
		"the node has its most pods already": {
			running: []*corev1.Pod{asks("0", "0"), asks("0", "0"), asks("0", "0")},
			pod:     asks("0", "0"),
			want:    "OutOfpods",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, message := misfit(tc.pod, tc.running, allocatable)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("reason (-want +got):\n%s%s", diff, message)
			}
		})
	}
}
