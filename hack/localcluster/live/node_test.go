package live

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// probe is the end of a pod's YAML: the pod is ready once its program has made /s/ready.
const probe = `
    readinessProbe: {periodSeconds: 1, exec: {command: [sh, -c, "test -f /s/ready"]}}
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, emptyDir: {}}]
`

// All these tests share one cluster, because its start takes longer than any of them.
func TestNode(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	l := startLab(t, "--gpus", "2", "--cpu", "4", "--volume", "store="+store)
	claimKeepsFiles := func(t *testing.T, l *lab) { filesOutliveThePod(t, l, store) }
	for name, test := range map[string]func(*testing.T, *lab){
		"a job gets its paths and values, and its message is kept":   jobRuns,
		"a claim's files stay when its pod is deleted":               claimKeepsFiles,
		"a pod with a token gets a kubeconfig, another does not":     tokenWorks,
		"a change of a ConfigMap reaches its volume":                 volumeIsRefreshed,
		"SIGTERM ends a pod before its grace period is over":         sigtermIsObeyed,
		"SIGKILL ends a pod that ignores SIGTERM":                    sigkillFollows,
		"a failed liveness probe restarts, and the old log is kept":  probeRestarts,
		"init containers run first, and a failed one fails the pod":  initContainersComeFirst,
		"a pod with an unknown image waits until the image is named": imageIsNamed,
		"a pod that local processes cannot serve is refused":         unsupportedIsRefused,
		"a deadline ends a pod":                                      deadlineEnds,
		"GPUs are simulated and counted":                             gpusAreCounted,
		"a restricted namespace decides as in production":            restrictedDecides,
		"a namespace is deleted with everything in it":               namespaceGoes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}

func jobRuns(t *testing.T, l *lab) {
	job := &batchv1.Job{}
	err := yaml.UnmarshalStrict([]byte(`
metadata: {name: job}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      containers:
      - name: main
        image: sh
        command: [sh]
        args:
        - -c
        - |
          for i in 1 2 3; do echo line $i; sleep 0.1; done
          printf %s "$SETTINGS" > /scratch/x
          cat /scratch/x > /dev/termination-log
          exit 65
        env:
        - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: SETTINGS, value: '{"pod":"$(NAME)","out":"file:///scratch/out"}'}
        volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {sizeLimit: 1Gi}}]
`), job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.BatchV1().Jobs("default").Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	followed := l.run(t, "kubectl", "logs", "--follow", "--pod-running-timeout=20s", "job/job")
	if diff := cmp.Diff("line 1\nline 2\nline 3\n", followed); diff != "" {
		t.Errorf("logs -f (-want +got):\n%s", diff)
	}
	pods, err := l.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=job"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods of the job: %d, %v", len(pods.Items), err)
	}
	pod := l.awaitEnd(t, &pods.Items[0])
	out := filepath.Join(l.dir, "node/pods", string(pod.UID), "volumes/scratch/out")
	if diff := cmp.Diff(`{"pod":"`+pod.Name+`","out":"file://`+out+`"}`, end(t, pod).Message); diff != "" {
		t.Errorf("termination message (-want +got):\n%s", diff)
	}
	if code := end(t, pod).ExitCode; code != 65 || pod.Status.Phase != corev1.PodFailed {
		t.Errorf("ended with %d in phase %s", code, pod.Status.Phase)
	}
	l.run(t, "kubectl", "wait", "--for=condition=Failed", "job/job", "--timeout=20s")
	if diff := cmp.Diff("line 3\n", l.run(t, "kubectl", "logs", "--tail=1", pod.Name)); diff != "" {
		t.Errorf("logs --tail=1 after the end (-want +got):\n%s", diff)
	}
}

func filesOutliveThePod(t *testing.T, l *lab, store string) {
	claim := &corev1.PersistentVolumeClaim{}
	err := yaml.UnmarshalStrict([]byte(`
metadata: {name: store}
spec: {volumeName: store, storageClassName: "", accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
`), claim)
	if err != nil {
		t.Fatal(err)
	}
	claims := l.client.CoreV1().PersistentVolumeClaims("default")
	if _, err := claims.Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := l.create(t, `
metadata: {name: claim}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: sh
    args: ["-c", "echo kept > /models/a"]
    volumeMounts: [{name: v, mountPath: /models, subPath: sub}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: store}}]
`)
	if pod = l.awaitEnd(t, pod); pod.Status.Phase != corev1.PodSucceeded {
		t.Fatalf("pod: %s", show(pod))
	}
	l.delete(t, pod)
	l.await(t, pod, "is gone", func(p *corev1.Pod) bool { return p == nil })
	if b, err := os.ReadFile(filepath.Join(store, "sub", "a")); err != nil || string(b) != "kept\n" {
		t.Errorf("the file in the volume: %q, %v", b, err)
	}
}

func tokenWorks(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: token}
spec:
  restartPolicy: Never
  containers: [{name: main, image: pod, args: [pod, whoami, /dev/termination-log]}]
`)
	if got := end(t, l.awaitEnd(t, pod)).Message; got != "system:serviceaccount:default:default" {
		t.Errorf("the pod is %q to the API server", got)
	}
	pod = l.create(t, `
metadata: {name: tokenless}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers: [{name: main, image: sh, args: ["-c", "env > /dev/termination-log"]}]
`)
	expected := []string{
		"PATH", "HOME", "TMPDIR", "HOSTNAME", "PWD",
		"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", proc.MarkerVar,
	}
	for _, kv := range strings.Fields(end(t, l.awaitEnd(t, pod)).Message) {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(expected, name) {
			t.Errorf("the pod's environment holds %s, which neither the pod nor the node sets", kv)
		}
	}
}

func volumeIsRefreshed(t *testing.T, l *lab) {
	maps := l.client.CoreV1().ConfigMaps("default")
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "refresh"},
		Data:       map[string]string{"k": "old"},
	}
	cm, err := maps.Create(t.Context(), cm, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := l.create(t, `
metadata: {name: refresh}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: pod
    args: [pod, await, /conf/dir/k, new, /s/ready]
    readinessProbe: {periodSeconds: 1, exec: {command: [/bin/sh, -c, "test -f /s/ready"]}}
    volumeMounts: [{name: c, mountPath: /conf}, {name: s, mountPath: /s}]
  volumes:
  - {name: s, emptyDir: {}}
  - {name: c, projected: {sources: [{configMap: {name: refresh, items: [{key: k, path: dir/k}]}}]}}
`)
	l.awaitRunning(t, pod)
	cm.Data["k"] = "new"
	if _, err := maps.Update(t.Context(), cm, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if pod = l.awaitEnd(t, pod); pod.Status.Phase != corev1.PodSucceeded {
		t.Errorf("pod: %s", show(pod))
	}
}

func initContainersComeFirst(t *testing.T, l *lab) {
	const spec = `
spec:
  restartPolicy: Never
  initContainers:
  - name: first
    image: sh
    args: ["-c", "echo made > /s/a; exit $(CODE)"]
    env: [{name: CODE, value: "NUMBER"}]
    volumeMounts: [{name: s, mountPath: /s}]
  containers:
  - name: main
    image: sh
    args: ["-c", "cat /s/a > /dev/termination-log"]
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, emptyDir: {}}]
`
	pod := l.create(t, "metadata: {name: init-ok}"+strings.Replace(spec, "NUMBER", "0", 1))
	if got := end(t, l.awaitEnd(t, pod)).Message; got != "made\n" {
		t.Errorf("the init container's file holds %q", got)
	}
	pod = l.awaitEnd(t, l.create(t, "metadata: {name: init-bad}"+strings.Replace(spec, "NUMBER", "4", 1)))
	st := pod.Status
	failed := st.Phase == corev1.PodFailed && st.InitContainerStatuses[0].State.Terminated.ExitCode == 4
	if !failed || st.ContainerStatuses[0].State.Waiting == nil {
		t.Errorf("pod: %s", show(pod))
	}
}

func imageIsNamed(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: unknown}
spec: {restartPolicy: Never, containers: [{name: main, image: "example.com/late:v1", args: ["-c", "exit 0"]}]}
`)
	pod = l.await(t, pod, "waits for its image", func(p *corev1.Pod) bool {
		if len(p.Status.ContainerStatuses) == 0 {
			return false
		}
		waiting := p.Status.ContainerStatuses[0].State.Waiting
		return waiting != nil && waiting.Reason == "ErrImagePull"
	})
	message := pod.Status.ContainerStatuses[0].State.Waiting.Message
	if !strings.Contains(message, "localcluster --dir "+l.dir+" image example.com/late:v1 ") {
		t.Errorf("the message does not say what to do: %s", message)
	}
	l.run(t, "image", "example.com/late", "/bin/sh")
	if pod = l.awaitEnd(t, pod); pod.Status.Phase != corev1.PodSucceeded {
		t.Errorf("pod: %s", show(pod))
	}
}

func gpusAreCounted(t *testing.T, l *lab) {
	const spec = `
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: sh
    args: ["-c", "echo $PLUMBLINE_SIMULATED_GPU > /dev/termination-log"]
    resources: {limits: {nvidia.com/gpu: COUNT}}
`
	pod := l.awaitEnd(t, l.create(t, "metadata: {name: gpu}"+strings.Replace(spec, "COUNT", "2", 1)))
	if got := end(t, pod).Message; got != "1\n" {
		t.Errorf("PLUMBLINE_SIMULATED_GPU is %q", got)
	}
	pod = l.create(t, "metadata: {name: gpus}"+strings.Replace(spec, "COUNT", "3", 1))
	l.await(t, pod, "cannot be placed", func(p *corev1.Pod) bool {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable {
				return strings.Contains(c.Message, "Insufficient nvidia.com/gpu")
			}
		}
		return false
	})
	node, err := l.client.CoreV1().Nodes().Get(t.Context(), "local", metav1.GetOptions{})
	if err != nil || node.Labels["plumbline.dev/simulated-gpus"] != "true" {
		t.Errorf("the node's labels: %v, %v", node.Labels, err)
	}
}

func restrictedDecides(t *testing.T, l *lab) {
	namespaces := l.client.CoreV1().Namespaces()
	_, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "strict", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lax := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "lax"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "sh"}}},
	}
	_, err = l.client.CoreV1().Pods("strict").Create(t.Context(), lax, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("the API server answers %v", err)
	}
	pod := &corev1.Pod{}
	err = yaml.UnmarshalStrict([]byte(`
metadata: {name: good}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: main
    image: sh
    args: ["-c", "echo $HOME > $TMPDIR/x; cat /tmp/x > /dev/termination-log"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
`), pod)
	if err != nil {
		t.Fatal(err)
	}
	if pod, err = l.client.CoreV1().Pods("strict").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod = l.awaitEnd(t, pod)
	// The state directory is below /tmp, where the pod has a volume. The node must not replace
	// the /tmp in HOME by that volume.
	home := filepath.Join(l.dir, "node/pods", string(pod.UID), "containers/main/home") + "\n"
	if got := end(t, pod).Message; got != home {
		t.Errorf("HOME is %q, want %q", got, home)
	}
}
