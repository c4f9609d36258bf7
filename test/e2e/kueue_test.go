package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

const queue = "lab"

// TestKueue trains through a queue of the real Kueue that holds one trial at a time: trials wait in Kueue's own words, one that
// trains gives its place to something more urgent and goes on afterwards, and all of it ends with the very metrics of a run that
// never met a queue. The cluster is its own, because Kueue has a say in every Job and pod of a cluster.
func TestKueue(t *testing.T) {
	if _, err := os.Stat(filepath.Join(cluster.bin, "kueue")); err != nil {
		t.Skipf("there is no Kueue: %v; `make kueue` builds it", err)
	}
	ownCluster(t)
	installKueue(t)
	prepareNamespace(t)
	makeQueue(t)
	t.Run("nobody but Kueue can suspend a Job", kueueAlone)
	apply(t, queuedRun("calm", ""))
	calm := awaitEnd(t, "calm")
	if out := kubectl(t, "get", "workloads", "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}"); out != "" {
		t.Errorf("a run without a queue is none of Kueue's business, and it has made %s", out)
	}

	urgent := occupy(t, "urgent-first")
	apply(t, queuedRun("queued", queue))
	key := client.ObjectKey{Namespace: namespace, Name: "queued"}
	first := awaitRun(t, key, "trials that wait in Kueue's words", func(r *v1alpha1.TrainingRun) bool { return len(waiting(r)) == 2 })
	t.Logf("%s: %s", first.Status.Trials[0].Name, first.Status.Trials[0].Message)
	priorities := strings.Fields(kubectl(t, "get", "workloads", "-n", namespace, "-o", "jsonpath={.items[*].spec.priority}"))
	if slices.Sort(priorities); !slices.Equal(priorities, []string{"10", "10", "1000"}) {
		t.Errorf("want both trials at the run's own priority, which is 10, and the urgent Job at 1000: %v", priorities)
	}
	misspelt(t)
	urgent()
	victim := ""
	awaitRun(t, key, "one trial that trains while the other waits", func(r *v1alpha1.TrainingRun) bool {
		for i, trial := range r.Status.Trials {
			other := r.Status.Trials[1-i]
			if trial.Phase == v1alpha1.TrialRunning && trial.Epoch >= 1 && trial.Epoch < trial.Epochs && other.Reason == "WaitsInQueue" {
				victim = trial.Name
			}
		}
		return victim != ""
	})
	urgent = occupy(t, "urgent-again")
	preempted := awaitRun(t, key, "both waiting again", func(r *v1alpha1.TrainingRun) bool { return len(waiting(r)) == 2 })
	urgent()
	ended := awaitEnd(t, key.Name)

	gaveWay(t, trialOf(t, preempted, victim), trialOf(t, ended, victim))
	for i, want := range calm.Status.Trials {
		if a, b := metricsOf(want), metricsOf(ended.Status.Trials[i]); a != b {
			t.Errorf("%s differs from that of the run without a queue:\nwant %s\ngot  %s", want.Name, a, b)
		}
	}
	oneAtATime(t, ended)
	leaveNothing(t, key)
}

// ownCluster gives one test another cluster than the one that all share.
func ownCluster(t *testing.T) {
	t.Helper()
	shared := cluster
	dir, err := os.MkdirTemp("", "plumbline-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(dir); cluster = shared })
	if err := start(dir); err != nil {
		t.Fatal(err)
	}
}

func installKueue(t *testing.T) {
	t.Helper()
	begin := time.Now()
	if out, err := exec.Command("../../hack/kueue/install.sh", cluster.bin, cluster.state).CombinedOutput(); err != nil {
		t.Fatalf("install Kueue: %v\n%s\n%s", err, out, kubectl(t, "get", "pods", "-n", "kueue-system", "-o", "yaml"))
	}
	t.Logf("Kueue is ready after %.0f s", time.Since(begin).Seconds())
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := kubectlWith(t, "", "logs", "deployment/kueue-controller-manager", "-n", "kueue-system", "--tail=40")
			t.Logf("Kueue's log ends with:\n%s", out)
		}
	})
	localcluster(t, "image", "sleep:local", "/bin/sleep")
}

// makeQueue makes a queue with one GPU, in which what is urgent takes the place of what is not.
func makeQueue(t *testing.T) {
	t.Helper()
	kueue := func(kind, name string, rest object) {
		o := object{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": object{"name": name}}
		for k, v := range rest {
			o[k] = v
		}
		apply(t, o)
	}
	kueue("ResourceFlavor", "gpus", object{"spec": object{"nodeLabels": object{"plumbline.dev/simulated-gpus": "true"}}})
	kueue("ClusterQueue", "lab", object{"spec": object{
		"namespaceSelector": object{},
		"preemption":        object{"withinClusterQueue": "LowerPriority"},
		"resourceGroups": []any{object{
			"coveredResources": []any{"cpu", "memory", "nvidia.com/gpu"},
			"flavors": []any{object{"name": "gpus", "resources": []any{
				object{"name": "cpu", "nominalQuota": "16"},
				object{"name": "memory", "nominalQuota": "64Gi"},
				object{"name": "nvidia.com/gpu", "nominalQuota": "1"},
			}}},
		}},
	}})
	kueue("WorkloadPriorityClass", "nightly", object{"value": 10})
	kueue("WorkloadPriorityClass", "urgent", object{"value": 1000})
	apply(t, object{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "metadata": object{"name": queue, "namespace": namespace},
		"spec": object{"clusterQueue": "lab"}})
}

// queuedRun is a sweep of two depths; with a queue, it asks for its trials to wait there.
func queuedRun(name, queue string) object {
	o := toyRun(name)
	at(o, "spec")["depths"] = []any{18, 34}
	at(o, "spec", "hyperparameters")["epochs"] = 6
	if queue != "" {
		at(o, "metadata")["labels"] = object{"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/priority-class": "nightly"}
	}
	return o
}

func awaitEnd(t *testing.T, name string) *v1alpha1.TrainingRun {
	t.Helper()
	key := client.ObjectKey{Namespace: namespace, Name: name}
	run := awaitRun(t, key, "end", func(r *v1alpha1.TrainingRun) bool { return r.Status.CompletionTime != nil })
	for _, trial := range run.Status.Trials {
		if trial.Phase != v1alpha1.TrialSucceeded || trial.Epoch != trial.Epochs || trial.Gaps != 0 {
			t.Fatalf("%s is %s at epoch %d of %d: %s", trial.Name, trial.Phase, trial.Epoch, trial.Epochs, encodeStatus(run))
		}
	}
	return run
}

// occupy has an urgent Job take the queue's one GPU; what it returns ends the Job.
func occupy(t *testing.T, name string) (end func()) {
	t.Helper()
	apply(t, object{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": object{"name": name, "namespace": namespace, "labels": object{
			"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/priority-class": "urgent"}},
		"spec": object{"template": object{"spec": object{
			"restartPolicy":                 "Never",
			"terminationGracePeriodSeconds": 1,
			"automountServiceAccountToken":  false,
			"securityContext":               object{"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": object{"type": "RuntimeDefault"}},
			"containers": []any{object{
				"name": "sleep", "image": "sleep:local", "args": []any{"3600"},
				"resources":       object{"requests": object{"cpu": "10m", "memory": "16Mi"}, "limits": object{"nvidia.com/gpu": "1"}},
				"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []any{"ALL"}}},
			}},
		}}},
	})
	kubectl(t, "wait", "--for=jsonpath={.status.ready}=1", "job/"+name, "-n", namespace, "--timeout=120s")
	return func() { kubectl(t, "delete", "job", name, "-n", namespace) }
}

// waiting names the trials that wait in the queue, with Kueue's reason.
func waiting(r *v1alpha1.TrainingRun) (names []string) {
	for _, trial := range r.Status.Trials {
		if trial.Reason == "WaitsInQueue" && strings.Contains(trial.Message, "waits in queue "+queue+": ") && strings.Contains(trial.Message, "nvidia.com/gpu in flavor gpus") {
			names = append(names, trial.Name)
		}
	}
	return names
}

func trialOf(t *testing.T, r *v1alpha1.TrainingRun, name string) v1alpha1.TrialStatus {
	t.Helper()
	i := slices.IndexFunc(r.Status.Trials, func(trial v1alpha1.TrialStatus) bool { return trial.Name == name })
	if i < 0 {
		t.Fatalf("no trial %s: %s", name, encodeStatus(r))
	}
	return r.Status.Trials[i]
}

// misspelt names a queue that does not exist, as people will.
func misspelt(t *testing.T) {
	t.Helper()
	apply(t, queuedRun("misspelt", "lob"))
	awaitRun(t, client.ObjectKey{Namespace: namespace, Name: "misspelt"}, "word of the queue that is not there", func(r *v1alpha1.TrainingRun) bool {
		return len(r.Status.Trials) > 0 && r.Status.Trials[0].Message == "waits in queue lob: LocalQueue lob doesn't exist"
	})
	kubectl(t, "delete", "trun", "misspelt", "-n", namespace, "--wait")
}

// gaveWay checks a trial that lost its place, as it was before it went on and at its end: an interruption that cost nothing.
func gaveWay(t *testing.T, was, is v1alpha1.TrialStatus) {
	t.Helper()
	if was.Attempt != 2 || was.Retries != 0 || was.Interruptions != 1 || len(was.Attempts) != 2 || was.Attempts[0].Class != "Interrupted" {
		t.Errorf("%s lost its place, and that is to be an interruption that costs no retry: %+v", was.Name, was)
	}
	if len(is.Attempts) != 2 || is.Attempts[1].FromEpoch == nil || *is.Attempts[1].FromEpoch < is.Attempts[0].Epoch {
		t.Fatalf("%s did not go on from where it was: %+v", is.Name, is.Attempts)
	}
	t.Logf("%s lost its place after epoch %d, ended with %s and went on from epoch %d", is.Name, is.Attempts[0].Epoch, exitCode(is.Attempts[0]), *is.Attempts[1].FromEpoch)
}

func exitCode(a v1alpha1.AttemptStatus) string {
	if a.ExitCode == nil {
		return "a code that nobody saw"
	}
	return fmt.Sprint("exit code ", *a.ExitCode)
}

// oneAtATime checks that no two attempts of any trial had a pod at the same time: the queue has one GPU.
func oneAtATime(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	var all []v1alpha1.AttemptStatus
	for _, trial := range r.Status.Trials {
		all = append(all, trial.Attempts...)
	}
	if len(all) != 3 {
		t.Errorf("want three attempts, one of them cut short: %s", encodeStatus(r))
	}
	slices.SortFunc(all, func(a, b v1alpha1.AttemptStatus) int { return a.StartTime.Compare(b.StartTime.Time) })
	for i := range all[1:] {
		if all[i+1].StartTime.Before(all[i].EndTime) {
			t.Errorf("two trials had the one GPU: %+v %+v", all[i], all[i+1])
		}
	}
}

// kueueAlone asks the API server what the operator may do to a Job: make and delete it, and change nothing in it.
func kueueAlone(t *testing.T) {
	for _, verb := range []string{"update", "patch"} {
		out, err := kubectlWith(t, "", "auth", "can-i", verb, "jobs.batch", "-n", namespace, "--as=system:serviceaccount:plumbline-system:plumbline-operator")
		if err == nil || strings.TrimSpace(out) != "no" {
			t.Errorf("may the operator %s Jobs? %q, %v", verb, out, err)
		}
	}
}

// leaveNothing checks that a finished run holds nothing of the queue, and that a deleted one takes what Kueue made for it along.
func leaveNothing(t *testing.T, key client.ObjectKey) {
	t.Helper()
	type named struct{ Metadata struct{ Name string } }
	list := func(kind string) (names []string) {
		var found struct{ Items []named }
		if err := json.Unmarshal([]byte(kubectl(t, "get", kind, "-n", namespace, "-o", "json")), &found); err != nil {
			t.Fatal(err)
		}
		for _, i := range found.Items {
			if strings.Contains(i.Metadata.Name, key.Name+"-") {
				names = append(names, i.Metadata.Name)
			}
		}
		return names
	}
	if jobs, workloads := list("jobs"), list("workloads.kueue.x-k8s.io"); len(jobs) != 2 || len(workloads) != 2 {
		t.Errorf("want the Job of each trial's last attempt and its Workload, got %v and %v", jobs, workloads)
	}
	eventually(t, "free queue", func() bool {
		return kubectl(t, "get", "clusterqueue", "lab", "-o", "jsonpath={.status.reservingWorkloads} {.status.pendingWorkloads}") == "0 0"
	})
	kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--wait")
	eventually(t, "end of the run's Jobs and Workloads", func() bool { return len(list("jobs"))+len(list("workloads.kueue.x-k8s.io")) == 0 })
}
