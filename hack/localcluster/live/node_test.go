package live

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// probe says that a pod is ready once its program has made the file /s/ready.
const probe = `
    readinessProbe: {periodSeconds: 1, exec: {command: [sh, -c, "test -f /s/ready"]}}
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, emptyDir: {}}]
`

// One cluster serves all these: starting one takes longer than any of them.
func TestNode(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	l := startLab(t, "--gpus", "2", "--cpu", "4", "--volume", "store="+store)
	for name, test := range map[string]func(*testing.T, *lab){
		"a job's locations, values and last word":                  jobRuns,
		"a claim's files stay":                                     func(t *testing.T, l *lab) { claimKeepsFiles(t, l, store) },
		"a mounted token makes a kubeconfig, no token makes none":  tokenWorks,
		"a changed ConfigMap reaches its volume":                   volumeIsRefreshed,
		"SIGTERM ends a pod early, with its exit code":             sigtermIsObeyed,
		"SIGKILL ends a pod that does not listen":                  sigkillFollows,
		"a failing liveness probe restarts, the old log stays":     probeRestarts,
		"init containers come first, and one that fails is enough": initContainersComeFirst,
		"an unknown image waits until it is named":                 imageIsNamed,
		"what processes cannot give is refused in words":           refusedInWords,
		"a deadline ends a pod":                                    deadlineEnds,
		"GPUs are simulated and counted":                           gpusAreCounted,
		"a restricted namespace takes and refuses as production":   restrictedDecides,
		"a namespace goes with all that is in it":                  namespaceGoes,
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
        args: ["-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done; printf %s \"$SETTINGS\" > /scratch/x; cat /scratch/x > /dev/termination-log; exit 65"]
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

func claimKeepsFiles(t *testing.T, l *lab, store string) {
	claim := &corev1.PersistentVolumeClaim{}
	err := yaml.UnmarshalStrict([]byte(`
metadata: {name: store}
spec: {volumeName: store, storageClassName: "", accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
`), claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
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
	for _, kv := range strings.Fields(end(t, l.awaitEnd(t, pod)).Message) {
		if name, _, _ := strings.Cut(kv, "="); !strings.Contains(" PATH HOME TMPDIR HOSTNAME PWD KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT "+proc.MarkerVar+" ", " "+name+" ") {
			t.Errorf("the pod's environment holds %s, which nobody asked for", kv)
		}
	}
}

func volumeIsRefreshed(t *testing.T, l *lab) {
	maps := l.client.CoreV1().ConfigMaps("default")
	cm, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "refresh"}, Data: map[string]string{"k": "old"}}, metav1.CreateOptions{})
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
		t.Errorf("the init container left %q", got)
	}
	pod = l.awaitEnd(t, l.create(t, "metadata: {name: init-bad}"+strings.Replace(spec, "NUMBER", "4", 1)))
	if st := pod.Status; st.Phase != corev1.PodFailed || st.InitContainerStatuses[0].State.Terminated.ExitCode != 4 || st.ContainerStatuses[0].State.Waiting == nil {
		t.Errorf("pod: %s", show(pod))
	}
}

func imageIsNamed(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: unknown}
spec: {restartPolicy: Never, containers: [{name: main, image: "example.com/late:v1", args: ["-c", "exit 0"]}]}
`)
	pod = l.await(t, pod, "waits for its image", func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Waiting != nil && p.Status.ContainerStatuses[0].State.Waiting.Reason == "ErrImagePull"
	})
	if got := pod.Status.ContainerStatuses[0].State.Waiting.Message; !strings.Contains(got, "localcluster --dir "+l.dir+" image example.com/late:v1 ") {
		t.Errorf("the message does not say what to do: %s", got)
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
	lax := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "lax"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "sh"}}}}
	_, err = l.client.CoreV1().Pods("strict").Create(t.Context(), lax, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("the API server said %v", err)
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
	// The state directory lies below /tmp, and must not be taken for the volume there.
	if home := filepath.Join(l.dir, "node/pods", string(pod.UID), "containers/main/home") + "\n"; end(t, pod).Message != home {
		t.Errorf("HOME is %q, want %q", end(t, pod).Message, home)
	}
}
