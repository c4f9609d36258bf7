package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestARunObeysItsSpecWhileItTrains changes real runs while they train, in the ways for which the spec has fields, and
// takes a node away from one.
func TestARunObeysItsSpecWhileItTrains(t *testing.T) {
	prepareNamespace(t)
	for name, test := range map[string]func(*testing.T, client.ObjectKey){
		"suspended": testSuspend,
		"stopped":   testStopTrial,
		"overdue":   testDeadline,
		"node-lost": testNodeLoss,
		"expired":   testTTL,
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

// smallRun returns a run of some depths and epochs.
func smallRun(key client.ObjectKey, epochs int, depths ...any) object {
	o := toyRun(key.Name)
	at(o, "spec")["depths"] = depths
	at(o, "spec", "hyperparameters")["epochs"] = epochs
	return o
}

// patch merges JSON into the spec of a run.
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

func isSuspended(r *v1alpha1.TrainingRun) bool { return isTrue(r, v1alpha1.ConditionSuspended) }

func ended(r *v1alpha1.TrainingRun) bool { return r.Status.CompletionTime != nil }

// podsOf returns the names of a run's pods, one a line.
func podsOf(t *testing.T, r *v1alpha1.TrainingRun) string {
	t.Helper()
	return kubectl(t, "get", "pods", "-n", r.Namespace, "-l", "plumbline.dev/run-uid="+string(r.UID), "-o", "name")
}

// testSuspend suspends a run and resumes it. That costs neither a retry nor an interruption nor an epoch.
func testSuspend(t *testing.T, key client.ObjectKey) {
	apply(t, smallRun(key, 12, 18))
	awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 1 })
	patch(t, key, `{"suspend":true}`)
	paused := awaitRun(t, key, "suspension", isSuspended)
	if paused.Status.Phase != v1alpha1.RunSuspended || paused.Status.ActiveSince != nil || podsOf(t, paused) != "" {
		t.Errorf("phase %s, active since %v, pods %q; want a suspended run without a pod",
			paused.Status.Phase, paused.Status.ActiveSince, podsOf(t, paused))
	}
	patch(t, key, `{"suspend":false}`)
	run := awaitRun(t, key, "end", ended)
	trial := run.Status.Trials[0]
	counts := attempts(trial.Attempt, trial.Retries, trial.Interruptions)
	if run.Status.Phase != v1alpha1.RunSucceeded || counts != attempts(2, 0, 0) {
		t.Errorf("phase %s; attempts, retries and interruptions are %v, want %v",
			run.Status.Phase, counts, attempts(2, 0, 0))
	}
	first, second := trial.Attempts[0], trial.Attempts[1]
	if first.Class != "Interrupted" || second.FromEpoch == nil || *second.FromEpoch < first.Epoch {
		t.Errorf("a finished epoch was trained again: the attempts were %+v and %+v", first, second)
	}
	c := trial.Cost
	if c == nil || c.PodSeconds < 1 || c.GPUSeconds != c.PodSeconds ||
		c.GPUSeconds != first.GPUSeconds+second.GPUSeconds || c.LostSeconds > c.PodSeconds {
		t.Errorf("cost %+v", c)
	}
}

// testStopTrial stops one of two trials. It competes for the best, and the run succeeds without it.
func testStopTrial(t *testing.T, key client.ObjectKey) {
	o := smallRun(key, 500, 18, 34)
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
	succeeded := run.Status.Phase == v1alpha1.RunSucceeded && run.Status.Trials[0].Phase == v1alpha1.TrialSucceeded
	if !succeeded || run.Status.Best == nil || run.Status.Best.RunnerUp == nil {
		t.Errorf("want a run that succeeded, with the stopped trial among best and runner-up: %s", encodeStatus(run))
	}
	if lead := run.Status.Best.RunnerUp.Lead; lead == nil {
		t.Errorf("the lead of the best over the runner-up has no paired interval")
	}
}

// testDeadline lets a run reach its deadline.
func testDeadline(t *testing.T, key client.ObjectKey) {
	o := smallRun(key, 500, 18)
	at(o, "spec")["activeDeadlineSeconds"] = 15
	apply(t, o)
	run := awaitRun(t, key, "end", ended)
	trial := run.Status.Trials[0]
	stopped := trial.Phase == v1alpha1.TrialStopped && trial.Reason == "DeadlineExceeded"
	hasBest := run.Status.Best != nil && !run.Status.Best.Provisional
	if run.Status.Phase != v1alpha1.RunFailed || !stopped || !hasBest {
		t.Errorf("want a run that failed at its deadline and has a best: %s", encodeStatus(run))
	}
	if n := len(streamOf(t, string(run.UID))); int(trial.ReportsSeen) != n {
		t.Errorf("status counts %d reports, the stream holds %d: the operator did not wait for the last ones",
			trial.ReportsSeen, n)
	}
}

// testNodeLoss deletes a pod while its node does not answer, as when the network to it is cut. The pod keeps training
// and stays terminating. The operator considers the node lost and starts the next attempt, which trains once there is a
// node again.
func testNodeLoss(t *testing.T, key client.ObjectKey) {
	o := smallRun(key, 60, 18) // long enough not to end before the node is considered lost
	at(o, "spec")["nodeLossSeconds"] = 1
	at(o, "spec", "template")["terminationGracePeriodSeconds"] = 1
	apply(t, o)
	begun := awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 1 })
	thaw := freeze(t, "node")
	defer thaw()
	kubectl(t, "delete", "pod", begun.Status.Trials[0].Pod, "-n", namespace, "--wait=false")
	secondAttempt := func(r *v1alpha1.TrainingRun) bool { return r.Status.Trials[0].Attempt == 2 }
	interrupted := awaitRun(t, key, "second attempt", secondAttempt)
	trial := interrupted.Status.Trials[0]
	if trial.Interruptions != 1 || trial.Retries != 0 || trial.Attempts[0].Class != "Interrupted" {
		t.Errorf("a lost node costs no retry: %s", encodeStatus(interrupted))
	}
	thaw()
	run := awaitRun(t, key, "end", ended)
	from := run.Status.Trials[0].Attempts[1].FromEpoch
	if run.Status.Phase != v1alpha1.RunSucceeded || from == nil || *from < 1 {
		t.Errorf("the second attempt did not resume from a checkpoint: %s", encodeStatus(run))
	}
}

// freeze stops the process of a component, until thaw lets it continue.
func freeze(t *testing.T, component string) (thaw func()) {
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

// testTTL lets a run expire. Its checkpoints stay.
func testTTL(t *testing.T, key client.ObjectKey) {
	apply(t, smallRun(key, 3, 18))
	run := awaitRun(t, key, "end", ended)
	patch(t, key, `{"ttlSecondsAfterFinished":0}`)
	eventually(t, "end of the run itself", func() bool {
		return apierrors.IsNotFound(cluster.client.Get(t.Context(), key, &v1alpha1.TrainingRun{}))
	})
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID))
	if _, err := os.Stat(store); err != nil {
		t.Errorf("the checkpoints were deleted with the run: %v", err)
	}
	os.RemoveAll(store)
}
