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

// TestKueueLetsOneTrialTrainAtATime trains through a queue of the real Kueue that has room for one trial. The status of
// a trial that waits quotes Kueue's reason. A trial that trains gives its place to a more urgent Job, and resumes
// afterwards. At the end the metrics are exactly those of a run without a queue. The test has its own cluster, because
// Kueue watches every Job and pod of a cluster.
func TestKueueLetsOneTrialTrainAtATime(t *testing.T) {
	if _, err := os.Stat(filepath.Join(cluster.bin, "kueue")); err != nil {
		t.Skipf("Kueue is not built: %v; run `make kueue`", err)
	}
	startOwnCluster(t)
	installKueue(t)
	prepareNamespace(t)
	makeQueue(t)
	t.Run("the operator may not change a Job, so only Kueue suspends it", checkJobPermissions)
	apply(t, queuedRun("calm", ""))
	calm := awaitSuccess(t, "calm")
	if out := kubectl(t, "get", "workloads", "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}"); out != "" {
		t.Errorf("Kueue must leave a run without a queue alone, and it made %s", out)
	}

	endUrgent := occupyGPU(t, "urgent-first")
	apply(t, queuedRun("queued", queue))
	key := keyOf("queued")
	bothWait := func(r *v1alpha1.TrainingRun) bool { return len(waitingTrials(r)) == 2 }
	first := awaitRun(t, key, "trials that wait with Kueue's reason", bothWait)
	t.Logf("%s: %s", first.Status.Trials[0].Name, first.Status.Trials[0].Message)
	out := kubectl(t, "get", "workloads", "-n", namespace, "-o", "jsonpath={.items[*].spec.priority}")
	priorities := strings.Fields(out)
	if slices.Sort(priorities); !slices.Equal(priorities, []string{"10", "10", "1000"}) {
		t.Errorf("want both trials at the run's own priority, which is 10, and the urgent Job at 1000: %v", priorities)
	}
	checkMisspeltQueue(t)
	endUrgent()
	victim := ""
	awaitRun(t, key, "one trial that trains while the other waits", func(r *v1alpha1.TrainingRun) bool {
		for i, trial := range r.Status.Trials {
			other := r.Status.Trials[1-i]
			underway := trial.Phase == v1alpha1.TrialRunning && trial.Epoch >= 1 && trial.Epoch < trial.Epochs
			if underway && other.Reason == "WaitsInQueue" {
				victim = trial.Name
			}
		}
		return victim != ""
	})
	endUrgent = occupyGPU(t, "urgent-again")
	preempted := awaitRun(t, key, "both waiting again", bothWait)
	endUrgent()
	run := awaitSuccess(t, key.Name)

	checkPreemption(t, trialOf(t, preempted, victim), trialOf(t, run, victim))
	for i, want := range calm.Status.Trials {
		if a, b := metricsOf(want), metricsOf(run.Status.Trials[i]); a != b {
			t.Errorf("%s differs from that of the run without a queue:\nwant %s\ngot  %s", want.Name, a, b)
		}
	}
	checkOneAtATime(t, run)
	checkQueueIsFree(t, key)
}

// startOwnCluster starts another cluster, which the test uses instead of the shared one until it ends.
func startOwnCluster(t *testing.T) {
	t.Helper()
	shared := cluster
	dir, err := os.MkdirTemp("", "plumbline-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(dir)
		cluster = shared
	})
	if err := start(dir); err != nil {
		t.Fatal(err)
	}
}

// installKueue installs Kueue, and the image of the Jobs that occupy its GPU.
func installKueue(t *testing.T) {
	t.Helper()
	begin := time.Now()
	out, err := exec.Command("../../hack/kueue/install.sh", cluster.bin, cluster.state).CombinedOutput()
	if err != nil {
		t.Fatalf("install Kueue: %v\n%s\n%s", err, out, kubectl(t, "get", "pods", "-n", "kueue-system", "-o", "yaml"))
	}
	t.Logf("Kueue is ready after %.0f s", time.Since(begin).Seconds())
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := kubectlWith(t, "", "logs", "deployment/kueue-controller-manager", "-n", "kueue-system",
				"--tail=40")
			t.Logf("Kueue's log ends with:\n%s", out)
		}
	})
	localcluster(t, "image", "sleep:local", "/bin/sleep")
}

// makeQueue makes a queue with one GPU, in which a Job takes the place of a Job with a lower priority.
func makeQueue(t *testing.T) {
	t.Helper()
	makeObject := func(kind, name string, rest object) {
		o := object{"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": object{"name": name}}
		for k, v := range rest {
			o[k] = v
		}
		apply(t, o)
	}
	gpuNodes := object{"plumbline.dev/simulated-gpus": "true"}
	makeObject("ResourceFlavor", "gpus", object{"spec": object{"nodeLabels": gpuNodes}})
	makeObject("ClusterQueue", "lab", object{"spec": object{
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
	makeObject("WorkloadPriorityClass", "nightly", object{"value": 10})
	makeObject("WorkloadPriorityClass", "urgent", object{"value": 1000})
	apply(t, object{
		"apiVersion": "kueue.x-k8s.io/v1beta2",
		"kind":       "LocalQueue",
		"metadata":   object{"name": queue, "namespace": namespace},
		"spec":       object{"clusterQueue": "lab"},
	})
}

// queuedRun returns a sweep of two depths, whose trials wait in a queue if one is named.
func queuedRun(name, queueName string) object {
	o := toyRun(name)
	at(o, "spec")["depths"] = []any{18, 34}
	at(o, "spec", "hyperparameters")["epochs"] = 6
	if queueName != "" {
		at(o, "metadata")["labels"] = object{
			"kueue.x-k8s.io/queue-name":     queueName,
			"kueue.x-k8s.io/priority-class": "nightly",
		}
	}
	return o
}

// awaitSuccess waits for the end of a run all of whose trials must succeed, and returns the run.
func awaitSuccess(t *testing.T, name string) *v1alpha1.TrainingRun {
	t.Helper()
	run := awaitRun(t, keyOf(name), "end", ended)
	for _, trial := range run.Status.Trials {
		if trial.Phase != v1alpha1.TrialSucceeded || trial.Epoch != trial.Epochs || trial.Gaps != 0 {
			t.Fatalf("%s is %s at epoch %d of %d: %s",
				trial.Name, trial.Phase, trial.Epoch, trial.Epochs, encodeStatus(run))
		}
	}
	return run
}

// occupyGPU starts an urgent Job that takes the queue's GPU, and waits until it runs. end deletes the Job.
func occupyGPU(t *testing.T, name string) (end func()) {
	t.Helper()
	container := object{
		"name":  "sleep",
		"image": "sleep:local",
		"args":  []any{"3600"},
		"resources": object{
			"requests": object{"cpu": "10m", "memory": "16Mi"},
			"limits":   object{"nvidia.com/gpu": "1"},
		},
		"securityContext": object{
			"allowPrivilegeEscalation": false,
			"capabilities":             object{"drop": []any{"ALL"}},
		},
	}
	pod := object{
		"restartPolicy":                 "Never",
		"terminationGracePeriodSeconds": 1,
		"automountServiceAccountToken":  false,
		"securityContext": object{
			"runAsNonRoot":   true,
			"runAsUser":      65532,
			"seccompProfile": object{"type": "RuntimeDefault"},
		},
		"containers": []any{container},
	}
	apply(t, object{
		"apiVersion": "batch/v1",
		"kind":       "Job",
		"metadata": object{
			"name":      name,
			"namespace": namespace,
			"labels": object{
				"kueue.x-k8s.io/queue-name":     queue,
				"kueue.x-k8s.io/priority-class": "urgent",
			},
		},
		"spec": object{"template": object{"spec": pod}},
	})
	kubectl(t, "wait", "--for=jsonpath={.status.ready}=1", "job/"+name, "-n", namespace, "--timeout=120s")
	return func() { kubectl(t, "delete", "job", name, "-n", namespace) }
}

// waitingTrials returns the names of the trials that wait in the queue and give Kueue's reason.
func waitingTrials(r *v1alpha1.TrainingRun) (names []string) {
	for _, trial := range r.Status.Trials {
		saysWhy := strings.Contains(trial.Message, "waits in queue "+queue+": ") &&
			strings.Contains(trial.Message, "nvidia.com/gpu in flavor gpus")
		if trial.Reason == "WaitsInQueue" && saysWhy {
			names = append(names, trial.Name)
		}
	}
	return names
}

// trialOf returns the status of a run's trial.
func trialOf(t *testing.T, r *v1alpha1.TrainingRun, name string) v1alpha1.TrialStatus {
	t.Helper()
	i := slices.IndexFunc(r.Status.Trials, func(trial v1alpha1.TrialStatus) bool { return trial.Name == name })
	if i < 0 {
		t.Fatalf("no trial %s: %s", name, encodeStatus(r))
	}
	return r.Status.Trials[i]
}

// checkMisspeltQueue applies a run that names a queue that does not exist, and waits until a trial says so.
func checkMisspeltQueue(t *testing.T) {
	t.Helper()
	apply(t, queuedRun("misspelt", "lob"))
	const want = "waits in queue lob: LocalQueue lob doesn't exist"
	awaitRun(t, keyOf("misspelt"), "message that the queue does not exist", func(r *v1alpha1.TrainingRun) bool {
		return len(r.Status.Trials) > 0 && r.Status.Trials[0].Message == want
	})
	kubectl(t, "delete", "trun", "misspelt", "-n", namespace, "--wait")
}

// checkPreemption checks a trial that lost its place in the queue, by its status before it resumed and at its end. The
// lost place must be an interruption that costs neither a retry nor an epoch.
func checkPreemption(t *testing.T, before, after v1alpha1.TrialStatus) {
	t.Helper()
	counts := attempts(before.Attempt, before.Retries, before.Interruptions)
	if counts != attempts(2, 0, 1) || len(before.Attempts) != 2 || before.Attempts[0].Class != "Interrupted" {
		t.Errorf("%s lost its place, which must be an interruption that costs no retry: %+v", before.Name, before)
	}
	if len(after.Attempts) != 2 {
		t.Fatalf("%s has other attempts than the two: %+v", after.Name, after.Attempts)
	}
	first, second := after.Attempts[0], after.Attempts[1]
	if second.FromEpoch == nil || *second.FromEpoch < first.Epoch {
		t.Fatalf("%s did not resume from where it was: %+v", after.Name, after.Attempts)
	}
	t.Logf("%s lost its place after epoch %d, ended with %s and resumed from epoch %d",
		after.Name, first.Epoch, exitCode(first), *second.FromEpoch)
}

// exitCode returns the exit code of an attempt, as a phrase.
func exitCode(a v1alpha1.AttemptStatus) string {
	if a.ExitCode == nil {
		return "no known exit code"
	}
	return fmt.Sprint("exit code ", *a.ExitCode)
}

// checkOneAtATime checks that no two attempts of any trial had a pod at the same time, since the queue has one GPU.
func checkOneAtATime(t *testing.T, r *v1alpha1.TrainingRun) {
	t.Helper()
	var all []v1alpha1.AttemptStatus
	for _, trial := range r.Status.Trials {
		all = append(all, trial.Attempts...)
	}
	if len(all) != 3 {
		t.Errorf("want three attempts, of which one was interrupted: %s", encodeStatus(r))
	}
	slices.SortFunc(all, func(a, b v1alpha1.AttemptStatus) int { return a.StartTime.Compare(b.StartTime.Time) })
	for i := range all[1:] {
		if all[i+1].StartTime.Before(all[i].EndTime) {
			t.Errorf("two attempts had the GPU at the same time: %+v %+v", all[i], all[i+1])
		}
	}
}

// checkJobPermissions asks the API server whether the operator may change a Job. It may only make and delete Jobs.
func checkJobPermissions(t *testing.T) {
	for _, verb := range []string{"update", "patch"} {
		out, err := kubectlWith(t, "", "auth", "can-i", verb, "jobs.batch", "-n", namespace,
			"--as=system:serviceaccount:plumbline-system:plumbline-operator")
		if err == nil || strings.TrimSpace(out) != "no" {
			t.Errorf("asked whether the operator may %s Jobs, the API server says %q, %v; want no", verb, out, err)
		}
	}
}

// checkQueueIsFree checks that a finished run holds no place in the queue, and that deleting the run deletes what Kueue
// made for it.
func checkQueueIsFree(t *testing.T, key client.ObjectKey) {
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
	const format = "jsonpath={.status.reservingWorkloads} {.status.pendingWorkloads}"
	eventually(t, "free queue", func() bool {
		return kubectl(t, "get", "clusterqueue", "lab", "-o", format) == "0 0"
	})
	kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--wait")
	eventually(t, "end of the run's Jobs and Workloads", func() bool {
		return len(list("jobs"))+len(list("workloads.kueue.x-k8s.io")) == 0
	})
}
