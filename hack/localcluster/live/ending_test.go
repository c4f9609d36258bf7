package live

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func sigtermIsObeyed(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: obey, finalizers: [example.com/look]}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 600
  containers:
  - name: main
    image: pod
    args: [pod, obey, /s/ready, /dev/termination-log]`+probe)
	l.awaitRunning(t, pod)
	l.delete(t, pod)
	// The pod ends long before its grace period is over. The finalizer keeps it visible.
	pod = l.awaitEnd(t, pod)
	if e := end(t, pod); e.ExitCode != 75 || e.Message != "checkpoint written" {
		t.Errorf("ended with %d and %q", e.ExitCode, e.Message)
	}
	l.removeFinalizer(t, pod)
	l.await(t, pod, "is gone", func(p *corev1.Pod) bool { return p == nil })
}

func sigkillFollows(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: ignore, finalizers: [example.com/look]}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: pod
    args: [pod, ignore, /s/ready]`+probe)
	l.awaitRunning(t, pod)
	l.delete(t, pod)
	if e := end(t, l.awaitEnd(t, pod)); e.ExitCode != 137 {
		t.Errorf("ended with %d, want 137, the exit code of SIGKILL", e.ExitCode)
	}
	l.removeFinalizer(t, pod)
}

func (l *lab) removeFinalizer(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	const patch = `[{"op":"remove","path":"/metadata/finalizers"}]`
	l.run(t, "kubectl", "patch", "pod", pod.Name, "--type=json", "--patch="+patch)
}

func probeRestarts(t *testing.T, l *lab) {
	pod := l.create(t, `
metadata: {name: liveness}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: sh
    args:
    - -c
    - |
      if [ -e /s/again ]; then echo second; else echo first; touch /s/again; fi
      trap 'exit 3' TERM
      sleep 600 & wait
    livenessProbe: {periodSeconds: 1, failureThreshold: 1, exec: {command: [sh, -c, "! test -e /s/sick"]}}
    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, emptyDir: {}}]
`)
	pod = l.awaitRunning(t, pod)
	sick := filepath.Join(l.dir, "node/pods", string(pod.UID), "volumes/s/sick")
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pod = l.await(t, pod, "was restarted", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].RestartCount > 0
	})
	if err := os.Remove(sick); err != nil {
		t.Fatal(err)
	}
	pod = l.await(t, pod, "runs again", func(p *corev1.Pod) bool {
		return p.Status.ContainerStatuses[0].State.Running != nil
	})
	st := pod.Status.ContainerStatuses[0]
	if last := st.LastTerminationState.Terminated; last == nil || last.ExitCode != 3 {
		t.Errorf("last state %+v, want exit code 3", last)
	}
	if got := l.run(t, "kubectl", "logs", "--previous", pod.Name); st.RestartCount == 1 && got != "first\n" {
		t.Errorf("logs --previous: %q", got)
	}
	l.delete(t, pod)
	l.await(t, pod, "is gone", func(p *corev1.Pod) bool { return p == nil })
}

func unsupportedIsRefused(t *testing.T, l *lab) {
	pod := l.awaitEnd(t, l.create(t, `
metadata: {name: hostpath}
spec:
  containers: [{name: main, image: sh, volumeMounts: [{name: h, mountPath: /h}]}]
  volumes: [{name: h, hostPath: {path: /etc}}]
`))
	reason, message := pod.Status.Reason, pod.Status.Message
	const want = "volume h is a hostPath: use a PersistentVolumeClaim"
	if reason != "UnsupportedOnLocalNode" || !strings.Contains(message, want) {
		t.Errorf("refused with %s: %s", reason, message)
	}
}

func deadlineEnds(t *testing.T, l *lab) {
	pod := l.awaitEnd(t, l.create(t, `
metadata: {name: deadline}
spec:
  restartPolicy: Never
  activeDeadlineSeconds: 1
  terminationGracePeriodSeconds: 5
  containers: [{name: main, image: sh, args: ["-c", "sleep 600"]}]
`))
	if pod.Status.Reason != "DeadlineExceeded" || end(t, pod).ExitCode != 143 {
		t.Errorf("ended with %s, code %d", pod.Status.Reason, end(t, pod).ExitCode)
	}
}

func namespaceGoes(t *testing.T, l *lab) {
	l.run(t, "kubectl", "create", "namespace", "passing")
	l.run(t, "kubectl", "-n", "passing", "create", "deployment", "d", "--image=sh", "--", "sh", "-c", "sleep 600")
	l.run(t, "kubectl", "-n", "passing", "wait", "--for=condition=Available", "deployment/d", "--timeout=30s")
	l.run(t, "kubectl", "delete", "namespace", "passing", "--timeout=50s")
	in := bufio.NewScanner(strings.NewReader(l.run(t, "kubectl", "get", "namespaces", "-o", "name")))
	for in.Scan() {
		if in.Text() == "namespace/passing" {
			t.Error("the namespace is still there")
		}
	}
}
