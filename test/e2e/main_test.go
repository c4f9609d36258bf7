package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// cluster is the one that all tests of this package share; each test uses its own names in it.
var cluster struct {
	bin, state string
	client     client.WithWatch
}

func TestMain(m *testing.M) {
	actAsPod()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	log.SetLogger(logr.Discard())
	cluster.bin = os.Getenv("PLUMBLINE_BIN")
	if cluster.bin == "" {
		fmt.Println("skipping the whole walk: PLUMBLINE_BIN names no programs; `make test-e2e` builds them and sets it")
		return 0
	}
	dir, err := os.MkdirTemp("", "plumbline-e2e-")
	if err == nil {
		err = start(dir)
	}
	defer stop(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the cluster:", err)
		return 1
	}
	return m.Run()
}

// start brings a cluster up that ends with this process, however it ends.
func start(dir string) error {
	cluster.state = filepath.Join(dir, "cluster")
	up := exec.Command("../../hack/up.sh", cluster.bin, cluster.state)
	up.Env = append(os.Environ(), "OWNER_PID="+strconv.Itoa(os.Getpid()), "GPUS=20", "CPUS=32")
	up.Stdout, up.Stderr = os.Stderr, os.Stderr
	if err := up.Run(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(cluster.state, "kubeconfig"))
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	cluster.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	return err
}

func stop(dir string) {
	down := exec.Command(filepath.Join(cluster.bin, "localcluster"), "--dir", cluster.state, "down")
	down.Stdout, down.Stderr = os.Stderr, os.Stderr
	if err := down.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the cluster:", err)
	}
	if os.Getenv("PLUMBLINE_KEEP") == "" {
		os.RemoveAll(dir)
	} else {
		fmt.Fprintln(os.Stderr, "kept:", dir)
	}
}

// localcluster runs a verb of the cluster's program.
func localcluster(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, "", "localcluster", append([]string{"--dir", cluster.state}, args...)...)
	if err != nil {
		t.Fatalf("localcluster %v: %v\n%s", args, err, out)
	}
	return out
}

// kubectl runs kubectl and fails the test when kubectl does.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return localcluster(t, append([]string{"kubectl"}, args...)...)
}

// kubectlWith runs kubectl on a manifest and leaves the judgement to the test.
func kubectlWith(t *testing.T, manifest string, args ...string) (string, error) {
	t.Helper()
	return command(t, manifest, "localcluster", append([]string{"--dir", cluster.state, "kubectl"}, args...)...)
}

// command runs one of our programs and returns what it printed, both streams together.
func command(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // not the test's: its clean-ups run commands too
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.bin, name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(cluster.state, "kubeconfig"))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func apply(t *testing.T, o object) {
	t.Helper()
	if out, err := kubectlWith(t, string(encode(o)), "apply", "-f", "-"); err != nil {
		t.Fatalf("apply %v: %v\n%s", at(o, "metadata")["name"], err, out)
	}
}

func applyDryRun(t *testing.T, o object) (string, error) {
	t.Helper()
	return kubectlWith(t, string(encode(o)), "create", "--dry-run=server", "--validate=strict", "-f", "-")
}

// replace tries again when the operator has written the status in between, which says nothing about the manifest.
func replace(t *testing.T, o object) (string, error) {
	t.Helper()
	for {
		out, err := kubectlWith(t, string(encode(o)), "replace", "--dry-run=server", "-f", "-")
		if err == nil || !strings.Contains(out, "(Conflict)") || t.Context().Err() != nil {
			return out, err
		}
	}
}

// awaitRun watches a run until a condition holds, and fails the test when the run ends first or time is up.
func awaitRun(t *testing.T, key client.ObjectKey, what string, holds func(*v1alpha1.TrainingRun) bool) *v1alpha1.TrainingRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var last *v1alpha1.TrainingRun
	for ctx.Err() == nil {
		w, err := cluster.client.Watch(ctx, &v1alpha1.TrainingRunList{}, client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name})
		if err != nil {
			continue // the API server is being restarted
		}
		for event := range w.ResultChan() {
			r, ok := event.Object.(*v1alpha1.TrainingRun)
			if !ok {
				break
			}
			last = r
			if holds(r) {
				w.Stop()
				return r
			}
			if r.Status.CompletionTime != nil {
				w.Stop()
				t.Fatalf("the run ended before %s:\n%s", what, kubectl(t, "get", "trun", key.Name, "-n", key.Namespace, "-o", "yaml"))
			}
		}
		w.Stop()
	}
	if last != nil {
		t.Logf("last seen: %s", encodeStatus(last))
	}
	t.Fatalf("no %s in time:\n%s", what, kubectl(t, "get", "jobs,pods", "-n", key.Namespace))
	return nil
}
