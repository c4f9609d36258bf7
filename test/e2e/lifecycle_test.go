package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestLifeCycle has people and nodes do to real runs what spec provides for.
func TestLifeCycle(t *testing.T) {
	prepareNamespace(t)
	for name, test := range map[string]func(*testing.T, client.ObjectKey){
		"suspended": suspended, "stopped": stopped, "overdue": overdue, "node-lost": nodeLost, "expired": expired,
	} {
		t.Run(name, func(t *testing.T) {
			key := client.ObjectKey{Namespace: namespace, Name: name}
			t.Cleanup(func() {
				removeCheckpoints(t, key)
				kubectl(t, "delete", "trun", name, "-n", namespace, "--ignore-not-found")
			})
			test(t, key)
		})
	}
}

// small is a run of few depths.
func small(key client.ObjectKey, epochs int, depths ...any) object {
	o := toyRun(key.Name)
	at(o, "spec")["depths"] = depths
	at(o, "spec", "hyperparameters")["epochs"] = epochs
	return o
}

func patch(t *testing.T, key client.ObjectKey, spec string) {
	t.Helper()
	kubectl(t, "patch", "trun", key.Name, "-n", key.Namespace, "--type=merge", "-p", `{"spec":`+spec+`}`)
}

func isTrue(r *v1alpha1.TrainingRun, condition string) bool {
	for _, c := range r.Status.Conditions {
		if c.Type == condition {
			return c.Status == "True"
		}
	}
	return false
}

func ended(r *v1alpha1.TrainingRun) bool { return r.Status.CompletionTime != nil }

func podsOf(t *testing.T, r *v1alpha1.TrainingRun) string {
	t.Helper()
	return kubectl(t, "get", "pods", "-n", r.Namespace, "-l", "plumbline.dev/run-uid="+string(r.UID), "-o", "name")
}

func suspended(t *testing.T, key client.ObjectKey) {
	apply(t, small(key, 12, 18))
	awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 1 })
	patch(t, key, `{"suspend":true}`)
	paused := awaitRun(t, key, "suspension", func(r *v1alpha1.TrainingRun) bool { return isTrue(r, v1alpha1.ConditionSuspended) })
	if paused.Status.Phase != v1alpha1.RunSuspended || paused.Status.ActiveSince != nil || podsOf(t, paused) != "" {
		t.Errorf("phase %s, the clock runs since %v, pods %q", paused.Status.Phase, paused.Status.ActiveSince, podsOf(t, paused))
	}
	patch(t, key, `{"suspend":false}`)
	run := awaitRun(t, key, "end", ended)
	trial := run.Status.Trials[0]
	if run.Status.Phase != v1alpha1.RunSucceeded || trial.Attempt != 2 || trial.Retries != 0 || trial.Interruptions != 0 {
		t.Errorf("phase %s, attempt %d, %d retries, %d interruptions: suspension is nobody's fault", run.Status.Phase, trial.Attempt, trial.Retries, trial.Interruptions)
	}
	first, second := trial.Attempts[0], trial.Attempts[1]
	if first.Class != "Interrupted" || second.FromEpoch == nil || *second.FromEpoch < first.Epoch {
		t.Errorf("a finished epoch was trained again: the attempts were %+v and %+v", first, second)
	}
	if c := trial.Cost; c == nil || c.PodSeconds < 1 || c.GPUSeconds != c.PodSeconds || c.GPUSeconds != first.GPUSeconds+second.GPUSeconds || c.LostSeconds > c.PodSeconds {
		t.Errorf("cost %+v", c)
	}
}

func stopped(t *testing.T, key client.ObjectKey) {
	o := small(key, 500, 18, 34)
	at(o, "spec")["overrides"] = []any{object{"depth": 18, "epochs": 4}}
	apply(t, o)
	awaitRun(t, key, "an epoch of d34", func(r *v1alpha1.TrainingRun) bool {
		return len(r.Status.Trials) == 2 && r.Status.Trials[1].Best != nil
	})
	patch(t, key, `{"stopTrials":["d34"]}`)
	awaitRun(t, key, "end of d34", func(r *v1alpha1.TrainingRun) bool {
		return r.Status.Trials[1].Phase == v1alpha1.TrialStopped
	})
	run := awaitRun(t, key, "end", ended)
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Trials[0].Phase != v1alpha1.TrialSucceeded || run.Status.Best == nil || run.Status.Best.RunnerUp == nil {
		t.Errorf("a trial that was stopped competes, and the run succeeds without it: %s", encodeStatus(run))
	}
	if lead := run.Status.Best.RunnerUp.Lead; lead == nil {
		t.Errorf("the lead of the best over the runner-up has no paired interval")
	}
}

func overdue(t *testing.T, key client.ObjectKey) {
	o := small(key, 500, 18)
	at(o, "spec")["activeDeadlineSeconds"] = 15
	apply(t, o)
	run := awaitRun(t, key, "end", ended)
	trial := run.Status.Trials[0]
	if run.Status.Phase != v1alpha1.RunFailed || trial.Phase != v1alpha1.TrialStopped || trial.Reason != "DeadlineExceeded" || run.Status.Best == nil || run.Status.Best.Provisional {
		t.Errorf("want a run that failed at its deadline and has a best: %s", encodeStatus(run))
	}
	if n := len(streamOf(t, string(run.UID))); int(trial.ReportsSeen) != n {
		t.Errorf("status counts %d reports, the stream holds %d: the end was not waited for", trial.ReportsSeen, n)
	}
}

// nodeLost deletes a pod while its node is silent, as one is that the network has lost: the pod trains on and lingers, is given up, and
// another attempt goes on once there is a node.
func nodeLost(t *testing.T, key client.ObjectKey) {
	o := small(key, 12, 18)
	at(o, "spec")["nodeLossSeconds"] = 1
	at(o, "spec", "template")["terminationGracePeriodSeconds"] = 1
	apply(t, o)
	begun := awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 1 })
	goOn := silence(t, "node")
	defer goOn()
	kubectl(t, "delete", "pod", begun.Status.Trials[0].Pod, "-n", namespace, "--wait=false")
	given := awaitRun(t, key, "second attempt", func(r *v1alpha1.TrainingRun) bool { return r.Status.Trials[0].Attempt == 2 })
	if trial := given.Status.Trials[0]; trial.Interruptions != 1 || trial.Retries != 0 || trial.Attempts[0].Class != "Interrupted" {
		t.Errorf("a lost node costs no retry: %s", encodeStatus(given))
	}
	goOn()
	run := awaitRun(t, key, "end", ended)
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Trials[0].Attempts[1].FromEpoch == nil || *run.Status.Trials[0].Attempts[1].FromEpoch < 1 {
		t.Errorf("the second attempt did not go on from a checkpoint: %s", encodeStatus(run))
	}
}

// silence stops a component without ending it.
func silence(t *testing.T, component string) (goOn func()) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(cluster.state, "run", component+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}

func expired(t *testing.T, key client.ObjectKey) {
	apply(t, small(key, 3, 18))
	run := awaitRun(t, key, "end", ended)
	patch(t, key, `{"ttlSecondsAfterFinished":0}`)
	eventually(t, "end of the run itself", func() bool {
		return apierrors.IsNotFound(cluster.client.Get(t.Context(), key, &v1alpha1.TrainingRun{}))
	})
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID))
	if _, err := os.Stat(store); err != nil {
		t.Errorf("the checkpoints went with the run: %v", err)
	}
	os.RemoveAll(store)
}

// TestWhyIsItWaiting asks for what the cluster cannot give; status must say what that is, in the cluster's own words.
func TestWhyIsItWaiting(t *testing.T) {
	prepareNamespace(t)
	apply(t, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": "quota"}})
	apply(t, object{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": object{"name": "none", "namespace": "quota"}, "spec": object{"hard": object{"pods": "0"}}})
	for name, test := range map[string]struct {
		namespace string
		bend      func(object)
		want      []string
	}{
		"a quota that is spent": {"quota", func(o object) {}, []string{"NoPodYet", "exceeded quota: none"}},
		"a node with so many GPUs": {namespace, func(o object) {
			for _, kind := range []string{"requests", "limits"} {
				at(o, "spec", "template", "resources", kind)["nvidia.com/gpu"] = "99"
			}
		}, []string{"Unschedulable", "Insufficient nvidia.com/gpu"}},
		"a claim that is not there": {namespace, func(o object) {
			template := at(o, "spec", "template")
			template["volumes"] = []any{object{"name": "data", "persistentVolumeClaim": object{"claimName": "nowhere"}}}
			template["volumeMounts"] = []any{object{"name": "data", "mountPath": "/data"}}
		}, []string{"Unschedulable", `persistentvolumeclaim "nowhere" not found`}},
		"an image that nobody has": {namespace, func(o object) { at(o, "spec", "template")["image"] = "plumbline.dev/nobody-has-this:dev" }, []string{"ImageNotPulled", "nobody-has-this"}},
		"a secret that is missing": {namespace, func(o object) {
			at(o, "spec", "template")["env"] = []any{object{"name": "KEY", "valueFrom": object{"secretKeyRef": object{"name": "nowhere", "key": "k"}}}}
		}, []string{"CreateContainerConfigError", "nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			key := client.ObjectKey{Namespace: test.namespace, Name: "waits-" + strings.Fields(name)[1]}
			o := small(key, 3, 18)
			at(o, "metadata")["namespace"] = key.Namespace
			test.bend(o)
			apply(t, o)
			t.Cleanup(func() { kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace) })
			awaitRun(t, key, strings.Join(test.want, " "), saysOf(v1alpha1.ConditionRunning, test.want...))
		})
	}
	t.Run("an operator that has not reached NATS", func(t *testing.T) {
		key := client.ObjectKey{Namespace: namespace, Name: "waits-nats"}
		localcluster(t, "stop", "nats")
		comes := sync.OnceFunc(func() { localcluster(t, "start", "nats") })
		t.Cleanup(func() {
			comes()
			removeCheckpoints(t, key)
			kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace)
		})
		kill(t, "plumbline-operator", cluster.state) // one that knows the stream admits a run without it: its reports come later
		apply(t, small(key, 2, 18))
		for _, condition := range []string{v1alpha1.ConditionAdmitted, v1alpha1.ConditionRunning} {
			awaitRun(t, key, condition+" that says why not", saysOf(condition, "StreamUnavailable", "cannot be reached"))
		}
		comes()
		if run := awaitRun(t, key, "end", ended); run.Status.Phase != v1alpha1.RunSucceeded {
			t.Errorf("once NATS was there it did not go on: %s", encodeStatus(run))
		}
	})
}

// saysOf tells whether a condition's reason and message hold these words.
func saysOf(condition string, words ...string) func(*v1alpha1.TrainingRun) bool {
	return func(r *v1alpha1.TrainingRun) bool {
		c := meta.FindStatusCondition(r.Status.Conditions, condition)
		return c != nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(c.Reason+" "+c.Message, w) })
	}
}

// A Job that the API server calls invalid would be refused for ever: its trial fails with the API server's words.
func TestAJobThatIsNeverTaken(t *testing.T) {
	prepareNamespace(t)
	key := client.ObjectKey{Namespace: namespace, Name: "invalid"}
	o := small(key, 3, 18)
	at(o, "spec", "template", "resources", "requests")["memory"] = "2Gi"
	at(o, "spec", "template", "resources", "limits")["memory"] = "1Gi"
	apply(t, o)
	t.Cleanup(func() { kubectl(t, "delete", "trun", key.Name, "-n", key.Namespace) })
	r := awaitRun(t, key, "end", ended)
	if trial := r.Status.Trials[0]; r.Status.Phase != v1alpha1.RunFailed || trial.Reason != "BadSettings" || !strings.Contains(trial.Message, "must be less than or equal to memory limit") {
		t.Errorf("want a failed trial that says why: %s", encodeStatus(r))
	}
}

// TestRetryAndPrune trains longer from what an ended run left, and then removes from the store what neither needs any more.
func TestRetryAndPrune(t *testing.T) {
	prepareNamespace(t)
	old, longer := client.ObjectKey{Namespace: namespace, Name: "old"}, client.ObjectKey{Namespace: namespace, Name: "longer"}
	for _, key := range []client.ObjectKey{old, longer} {
		t.Cleanup(func() {
			removeCheckpoints(t, key)
			kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--ignore-not-found")
		})
	}
	o := small(old, 3, 18)
	at(o, "spec", "hyperparameters")["schedule"] = "constant" // so that more epochs change nothing before them
	apply(t, o)
	first := awaitRun(t, old, "end", ended)
	plumb(t, "retry", "old", "--name", "longer", "--epochs", "5", "-n", namespace)
	second := awaitRun(t, longer, "end", ended)
	trial := second.Status.Trials[0]
	if second.Status.Phase != v1alpha1.RunSucceeded || trial.Epoch != 5 || trial.Attempts[0].FromEpoch == nil || *trial.Attempts[0].FromEpoch != 3 {
		t.Errorf("want epochs 4 and 5, from what the old run left: %s", encodeStatus(second))
	}
	for i, p := range first.Status.Trials[0].Curve {
		if trial.Curve[i] != p {
			t.Errorf("epoch %d was %v and is %v", p.Epoch, p.AUCPR, trial.Curve[i])
		}
	}
	resumable := func(r *v1alpha1.TrainingRun) []string {
		found, _ := filepath.Glob(filepath.Join(cluster.state, "volumes", "checkpoints", string(r.UID), "*", "*", "resume-*"))
		return found
	}
	before := len(resumable(first)) + len(resumable(second))
	if out := plumb(t, "prune", "-n", namespace, "--older-than", "0s", "--dry-run"); !strings.Contains(out, "resume-") || len(resumable(first))+len(resumable(second)) != before {
		t.Errorf("a dry run shows what would go and removes nothing:\n%s", out)
	}
	out := plumb(t, "prune", "-n", namespace, "--older-than", "0s", "--yes")
	if left := append(resumable(first), resumable(second)...); before == 0 || len(left) > 0 {
		t.Errorf("of %d checkpoints to resume from there are left %v:\n%s", before, left, out)
	}
	for _, r := range []*v1alpha1.TrainingRun{first, second} {
		if _, err := os.Stat(filepath.Join(hostPath(r.Status.Best.Checkpoint.URI), "manifest.json")); err != nil {
			t.Errorf("the best of %s went, too: %v", r.Name, err)
		}
	}
}

func plumb(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, "", "plumb", args...)
	if err != nil {
		t.Fatalf("plumb %v: %v\n%s", args, err, out)
	}
	return out
}
