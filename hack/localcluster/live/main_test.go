package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/yaml"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// programVar is the environment variable with the path of the built program.
const programVar = "PLUMBLINE_LOCALCLUSTER"

// TestMain runs the tests, or, if the first argument is "pod", the program of the tests'
// pods.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "pod" {
		if err := podProgram(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// lab is a running cluster for tests, and a client of its API server.
type lab struct {
	dir    string
	state  *cluster.Cluster
	client *kubernetes.Clientset
}

// startLab starts a cluster that ends when the test ends, or when this process is killed. It
// skips the test if programVar is not set.
func startLab(t *testing.T, flags ...string) *lab {
	t.Helper()
	if os.Getenv(programVar) == "" {
		t.Skipf("%s is not set to the path of the built program; hack/localcluster/build.sh builds it", programVar)
	}
	l := &lab{dir: filepath.Join(t.TempDir(), "c")}
	t.Cleanup(func() {
		if t.Failed() {
			l.showLogs(t)
		}
		l.run(t, "down")
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := fmt.Sprintf("--owner-pid=%d", os.Getpid())
	l.run(t, append([]string{"up", owner, "--image", "pod=" + self, "--image", "sh=/bin/sh"}, flags...)...)
	if l.state, err = cluster.Open(l.dir); err != nil {
		t.Fatal(err)
	}
	if l.client, _, err = cluster.Client(l.state.Kubeconfig()); err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs the program and returns its output. The test fails if the program does.
func (l *lab) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := l.try(args...)
	if err != nil {
		t.Fatalf("localcluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (l *lab) try(args ...string) (string, error) {
	cmd := exec.Command(os.Getenv(programVar), append([]string{"--dir", l.dir}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (l *lab) showLogs(t *testing.T) {
	for _, name := range []string{"supervisor", "node"} {
		b, _ := os.ReadFile(filepath.Join(l.dir, "logs", name+".log"))
		t.Logf("%s.log:\n%s", name, b)
	}
}

// create creates a pod from YAML in the namespace default.
func (l *lab) create(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
		t.Fatal(err)
	}
	pod, err := l.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// await watches a pod until done returns true, and returns the pod. The pod is nil if it was
// deleted. what completes the sentence "wait until pod NAME...".
func (l *lab) await(t *testing.T, pod *corev1.Pod, what string, done func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	last := pod
	named := fields.OneTermEqualSelector("metadata.name", pod.Name)
	lw := cache.NewListWatchFromClient(l.client.CoreV1().RESTClient(), "pods", pod.Namespace, named)
	gone := func(s cache.Store) (bool, error) {
		if len(s.List()) == 0 {
			last = nil
			return done(nil), nil
		}
		return false, nil
	}
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.Pod{}, gone, func(e watch.Event) (bool, error) {
		if last, _ = e.Object.(*corev1.Pod); e.Type == watch.Deleted {
			last = nil
		}
		return done(last), nil
	})
	if err != nil {
		t.Fatalf("wait until pod %s %s: %v; the pod is\n%s", pod.Name, what, err, show(last))
	}
	return last
}

func (l *lab) awaitEnd(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	return l.await(t, pod, "has ended", func(p *corev1.Pod) bool {
		return p != nil && (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
	})
}

func (l *lab) awaitRunning(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	return l.await(t, pod, "is ready", func(p *corev1.Pod) bool {
		if p != nil {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady {
					return c.Status == corev1.ConditionTrue
				}
			}
		}
		return false
	})
}

func (l *lab) delete(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	if err := l.client.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// end returns how a pod's first container ended.
func end(t *testing.T, pod *corev1.Pod) *corev1.ContainerStateTerminated {
	t.Helper()
	if pod == nil || len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].State.Terminated == nil {
		t.Fatalf("the container has not ended: %s", show(pod))
	}
	return pod.Status.ContainerStatuses[0].State.Terminated
}

func show(o runtime.Object) string {
	b, err := yaml.Marshal(o)
	return string(errors.Join(err, errors.New(string(b))).Error())
}
