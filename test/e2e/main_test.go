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

// cluster is the local cluster that all tests of this package share. Each test uses its own names in it.
var cluster struct {
	bin    string // directory of the programs
	state  string // directory of the cluster's own files
	client client.WithWatch
}

func TestMain(m *testing.M) {
	actAsPod() // pods of scripted runs run this program
	os.Exit(run(m))
}

// run starts the cluster, runs the tests and returns the exit code.
func run(m *testing.M) int {
	log.SetLogger(logr.Discard())
	cluster.bin = os.Getenv("PLUMBLINE_BIN")
	if cluster.bin == "" {
		fmt.Println("skipping the tests: PLUMBLINE_BIN does not name the programs; `make test-e2e` builds them")
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

// start starts a cluster with its state below dir. The cluster's processes end with this process, however it ends.
func start(dir string) error {
	cluster.state = filepath.Join(dir, "cluster")
	up := exec.Command("../../hack/up.sh", cluster.bin, cluster.state)
	up.Env = append(os.Environ(), "OWNER_PID="+strconv.Itoa(os.Getpid()), "GPUS=20", "CPUS=32")
	up.Stdout, up.Stderr = os.Stderr, os.Stderr
	if err := up.Run(); err != nil {
		return err
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", filepath.Join(cluster.state, "kubeconfig"))
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	cluster.client, err = client.NewWithWatch(restConfig, client.Options{Scheme: scheme})
	return err
}

// stop ends the cluster and deletes dir, unless PLUMBLINE_KEEP is set.
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

// localcluster runs a command of the program localcluster, and fails the test if the command fails.
func localcluster(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, "", "localcluster", append([]string{"--dir", cluster.state}, args...)...)
	if err != nil {
		t.Fatalf("localcluster %v: %v\n%s", args, err, out)
	}
	return out
}

// kubectl runs kubectl, and fails the test if kubectl fails.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return localcluster(t, append([]string{"kubectl"}, args...)...)
}

// kubectlWith runs kubectl with a manifest on its standard input. The caller decides what its error means.
func kubectlWith(t *testing.T, manifest string, args ...string) (string, error) {
	t.Helper()
	return command(t, manifest, "localcluster", append([]string{"--dir", cluster.state, "kubectl"}, args...)...)
}

// command runs one of our programs and returns what it printed, both streams together.
func command(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	// The test's own context is done when its clean-ups run, and they run commands too.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.bin, name), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(cluster.state, "kubeconfig"))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// apply applies a manifest, and fails the test if that fails.
func apply(t *testing.T, o object) {
	t.Helper()
	if out, err := kubectlWith(t, string(encode(o)), "apply", "-f", "-"); err != nil {
		t.Fatalf("apply %v: %v\n%s", at(o, "metadata")["name"], err, out)
	}
}

// applyDryRun asks the API server whether it accepts a new object, with strict validation of its fields.
func applyDryRun(t *testing.T, o object) (string, error) {
	t.Helper()
	return kubectlWith(t, string(encode(o)), "create", "--dry-run=server", "--validate=strict", "-f", "-")
}

// replace asks the API server whether it accepts a change of an object. It retries conflicts: the operator has written
// the status in between, which says nothing about the manifest.
func replace(t *testing.T, o object) (string, error) {
	t.Helper()
	for {
		out, err := kubectlWith(t, string(encode(o)), "replace", "--dry-run=server", "-f", "-")
		if err == nil || !strings.Contains(out, "(Conflict)") || t.Context().Err() != nil {
			return out, err
		}
	}
}

// awaitRun watches a run until holds accepts it, and returns the run. It fails the test if the run ends first, or after
// eight minutes. awaited names what the test waits for in these messages.
func awaitRun(
	t *testing.T, key client.ObjectKey, awaited string, holds func(*v1alpha1.TrainingRun) bool,
) *v1alpha1.TrainingRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var last *v1alpha1.TrainingRun
	for ctx.Err() == nil {
		w, err := cluster.client.Watch(ctx, &v1alpha1.TrainingRunList{},
			client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name})
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
				yaml := kubectl(t, "get", "trun", key.Name, "-n", key.Namespace, "-o", "yaml")
				t.Fatalf("the run ended before %s:\n%s", awaited, yaml)
			}
		}
		w.Stop()
	}
	if last != nil {
		t.Logf("last seen: %s", encodeStatus(last))
	}
	t.Fatalf("no %s in time:\n%s", awaited, kubectl(t, "get", "jobs,pods", "-n", key.Namespace))
	return nil
}

// prepareNamespace makes what a run needs: a namespace that enforces the restricted Pod Security standard, volumes, and
// a toy data set.
func prepareNamespace(t *testing.T) {
	t.Helper()
	apply(t, object{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata": object{
			"name":   namespace,
			"labels": object{"pod-security.kubernetes.io/enforce": "restricted"},
		},
	})
	volumes := filepath.Join(cluster.state, "volumes")
	for _, name := range []string{"data", "checkpoints", "models"} {
		localcluster(t, "volume", namespace+"-"+name, filepath.Join(volumes, name), "--claim", namespace+"/"+name)
		apply(t, object{
			"apiVersion": "v1",
			"kind":       "PersistentVolumeClaim",
			"metadata":   object{"name": name, "namespace": namespace},
			"spec": object{
				"accessModes":      []any{"ReadWriteMany"},
				"storageClassName": "",
				"volumeName":       namespace + "-" + name,
				"resources":        object{"requests": object{"storage": "1Gi"}},
			},
		})
	}
	toy := filepath.Join(volumes, "data", "toy")
	if _, err := os.Stat(toy); err == nil {
		return
	}
	out, err := command(t, "", "plumb", "dataset", "synth", "--out", toy, "--samples", "96", "--package-size", "4",
		"--size", "48", "--prevalence", "0.3", "--min-severity", "0.7", "--label-noise", "0", "--seed", "7")
	if err != nil {
		t.Fatalf("make the toy data set: %v\n%s", err, out)
	}
}
