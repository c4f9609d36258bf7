package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// TestARunFollowsItsRules tests the rules of a run's life on the real API server, with pods that report and do not
// train. The tests wait more than they work, so they run at the same time.
func TestARunFollowsItsRules(t *testing.T) {
	prepareReporter(t)
	for name, test := range map[string]func(*testing.T){
		"parallelism may change while the run runs":                    testParallelism,
		"a run that is being promoted is not deleted at its TTL":       testTTLDuringPromotion,
		"a run that has ended does not change":                         testEndedRun,
		"a deadline does not count suspended time":                     testDeadlineWhileSuspended,
		"a trial that is far behind the others is stopped":             testCohort,
		"a dry run of the cohort rule stops nothing and says its cost": testCohortDryRun,
		"one failed trial too many ends the run": func(t *testing.T) {
			testFailedTrial(t, "none-may-fail", object{"maxFailedTrials": 0})
		},
		"a failed trial that leaves too few others ends the run": func(t *testing.T) {
			testFailedTrial(t, "all-must-succeed", object{"minSucceededTrials": 3})
		},
		"a run fails when too few trials succeeded":              testTooFewSucceeded,
		"the epochs of a trial that failed compete for the best": testFailedTrialCompetes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// testParallelism raises and lowers spec.parallelism. A trial that has a place keeps it.
func testParallelism(t *testing.T) {
	const name = "parallelism"
	o := scripted(t, name, 1, script{
		"d18": {"hold 0.5 finish"},
		"d34": {"hold 0.5 finish"},
		"d50": {"hold 0.5 finish"},
	})
	at(o, "spec")["parallelism"] = 1
	apply(t, o)
	run := awaitPhase(t, name, "d18", v1alpha1.TrialRunning)
	wantQueued := func(r *v1alpha1.TrainingRun, places int, trials ...string) {
		t.Helper()
		message := fmt.Sprintf("waits for a place: spec.parallelism is %d", places)
		for _, trial := range trials {
			if s := trialOf(t, r, trial); s.Attempt != 0 || s.Reason != "Queued" || s.Message != message {
				t.Errorf("want %s to wait for a place of %d: %s", trial, places, encodeStatus(r))
			}
		}
	}
	wantQueued(run, 1, "d34", "d50")
	patch(t, keyOf(name), `{"parallelism":2}`)
	wantQueued(awaitPhase(t, name, "d34", v1alpha1.TrialRunning), 2, "d50")
	patch(t, keyOf(name), `{"parallelism":1}`)
	run = awaitObserved(t, name)
	for _, trial := range []string{"d18", "d34"} {
		if trialOf(t, run, trial).Phase != v1alpha1.TrialRunning {
			t.Errorf("%s did not keep its place: %s", trial, encodeStatus(run))
		}
	}
	letGoOn(t, run, "d18")
	wantQueued(awaitPhase(t, name, "d18", v1alpha1.TrialSucceeded), 1, "d50") // d34 has the only place
	letGoOn(t, run, "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	first, next := trialOf(t, run, "d34"), trialOf(t, run, "d50")
	if run.Status.Phase != v1alpha1.RunSucceeded || next.StartTime.Before(first.CompletionTime) {
		t.Errorf("want a run that succeeded, in which d50 started after d34 had ended: %s", encodeStatus(run))
	}
}

// testTTLDuringPromotion lets three runs reach their TTL: one that is not promoted, one whose version is published
// later, and one whose version is deleted. The TTL of the first is set last. So when the first is deleted, the operator
// has already seen the other two.
func testTTLDuringPromotion(t *testing.T) {
	names := []string{"unpromoted", "published-later", "never-published"}
	var runs []object
	for _, name := range names {
		runs = append(runs, scripted(t, name, 1, script{"d18": {"0.5 finish"}}))
	}
	startAll(t, runs...)
	for _, name := range names {
		run := awaitRun(t, keyOf(name), "end", ended)
		t.Cleanup(func() {
			os.RemoveAll(filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID)))
		})
		if name == "unpromoted" {
			continue
		}
		apply(t, promotion(run, "of-"+name))
		t.Cleanup(func() { kubectl(t, "delete", "mver", "of-"+name+"-v1", "-n", namespace, "--ignore-not-found") })
	}
	for _, name := range slices.Backward(names) {
		patch(t, keyOf(name), `{"ttlSecondsAfterFinished":0}`)
		if name != "unpromoted" {
			awaitObserved(t, name)
		}
	}
	awaitGone := func(name string) {
		t.Helper()
		eventually(t, "end of "+name, func() bool {
			return apierrors.IsNotFound(cluster.client.Get(t.Context(), keyOf(name), &v1alpha1.TrainingRun{}))
		})
	}
	wantThere := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if r := getRun(t, name); r.DeletionTimestamp != nil {
				t.Errorf("%s is deleted although its promotion has not ended", name)
			}
		}
	}
	awaitGone("unpromoted")
	wantThere("published-later", "never-published")
	model := toyModel("of-published-later")
	at(model, "spec", "publishing")["image"] = reporterImage
	apply(t, model)
	t.Cleanup(func() { kubectl(t, "delete", "model", "of-published-later", "-n", namespace) })
	awaitGone("published-later")
	wantCondition(t, "of-published-later-v1", v1alpha1.ConditionPublished, "True", "")
	wantThere("never-published")
	kubectl(t, "delete", "mver", "of-never-published-v1", "-n", namespace)
	awaitGone("never-published")
}

// promotion returns the first version of a model, with the run's best as its checkpoint. The model need not exist yet.
func promotion(r *v1alpha1.TrainingRun, model string) object {
	o, best := validVersion(), r.Status.Best
	at(o, "metadata")["name"], at(o, "metadata")["namespace"] = model+"-v1", r.Namespace
	spec := at(o, "spec")
	spec["model"], spec["run"] = model, object{"name": r.Name, "uid": string(r.UID)}
	spec["checkpoint"] = object{"uri": best.Checkpoint.URI, "digest": best.Checkpoint.Digest}
	return o
}

// testEndedRun makes every change that the API server accepts to the spec of a run that has ended, and deletes its
// Jobs. The status must stay the same, and no Job may be made or deleted.
func testEndedRun(t *testing.T) {
	const name = "ended-for-good"
	apply(t, scripted(t, name, 1, script{"d18": {"0.5 finish"}, "d34": {"0.4 exit:65"}}))
	before := awaitRun(t, keyOf(name), "end", ended)
	ofRun := "plumbline.dev/run-uid=" + string(before.UID)
	jobs := func() string {
		return kubectl(t, "get", "jobs", "-n", namespace, "-l", ofRun, "-o", "jsonpath={.items[*].metadata.uid}")
	}
	want := jobs()
	if n := len(strings.Fields(want)); n != 2 {
		t.Errorf("want the Jobs of two attempts, there are %d", n)
	}
	const deleteJobs = "delete the Jobs"
	for _, step := range []string{
		`{"suspend":true}`,
		`{"suspend":false}`,
		`{"stopTrials":["d18","d34"]}`,
		`{"stopTrials":null,"parallelism":1}`,
		`{"parallelism":5}`,
		deleteJobs,
		`{"ttlSecondsAfterFinished":3600}`,
		`{"suspend":true}`,
	} {
		if step == deleteJobs {
			kubectl(t, "delete", "jobs", "-n", namespace, "-l", ofRun, "--wait")
			want = ""
			continue
		}
		patch(t, keyOf(name), step)
		after := awaitObserved(t, name)
		after.Status.ObservedGeneration = before.Status.ObservedGeneration
		if d := cmp.Diff(before.Status, after.Status); d != "" {
			t.Errorf("%s changed the status of a run that had ended (-before +after):\n%s", step, d)
		}
		if got := jobs(); got != want { // the operator has acted on the step before this one by now
			t.Errorf("at %s the Jobs are %q, want %q", step, got, want)
		}
	}
}

// testDeadlineWhileSuspended suspends a run for longer than it may be active. Meanwhile a second run with the same
// deadline starts and reaches it.
func testDeadlineWhileSuspended(t *testing.T) {
	const name, other, limit = "clock-stands", "clock-runs", 20
	s := script{"d18": {"0.5 hold", "0.6 finish"}}
	limited := func(name string) object {
		o := scripted(t, name, 2, s)
		at(o, "spec")["activeDeadlineSeconds"] = limit
		return o
	}
	apply(t, limited(name))
	awaitEpoch(t, name, 1, "d18")
	patch(t, keyOf(name), `{"suspend":true}`)
	paused := awaitRun(t, keyOf(name), "suspension", isSuspended)
	apply(t, limited(other))
	late := awaitRun(t, keyOf(other), "end", ended)
	if late.Status.Phase != v1alpha1.RunFailed || late.Status.Trials[0].Reason != "DeadlineExceeded" {
		t.Errorf("want a run that failed at its deadline: %s", encodeStatus(late))
	}
	now := getRun(t, name)
	sameActivity := now.Status.ActiveSince == nil && now.Status.ActiveSeconds == paused.Status.ActiveSeconds
	if now.Status.Phase != v1alpha1.RunSuspended || !sameActivity {
		t.Errorf("the run was suspended after %d s of activity, and its status is now %s",
			paused.Status.ActiveSeconds, encodeStatus(now))
	}
	patch(t, keyOf(name), `{"suspend":false}`)
	run := awaitRun(t, keyOf(name), "end", ended)
	lasted := run.Status.CompletionTime.Sub(run.Status.StartTime.Time).Seconds()
	active := run.Status.ActiveSeconds
	if run.Status.Phase != v1alpha1.RunSucceeded || lasted < limit ||
		active < paused.Status.ActiveSeconds || active >= limit {
		t.Errorf("want a run that lasted at least %d s, was active for less and succeeded; it lasted %.0f s: %s",
			limit, lasted, encodeStatus(run))
	}
}

// cohortRun returns a run in which d18 is far behind the others after its second epoch. All trials wait there.
func cohortRun(t *testing.T, name string, dryRun bool) object {
	o := scripted(t, name, 3, script{
		"d18": {"0.1 0.2 hold 0.95 finish"},
		"d34": {"0.6 0.7 hold 0.8 finish"},
		"d50": {"0.6 0.75 hold 0.8 finish"},
	})
	at(o, "spec", "earlyStopping")["cohort"] = object{"graceEpochs": 1, "margin": "0.3", "dryRun": dryRun}
	return o
}

func testCohort(t *testing.T) {
	const name = "cohort"
	apply(t, cohortRun(t, name, false))
	run := awaitPhase(t, name, "d18", v1alpha1.TrialStopped)
	letGoOn(t, run, "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	d18 := trialOf(t, run, "d18")
	saysWhy := d18.Reason == "BehindOthers" && strings.HasPrefix(d18.Message, "at epoch 2 its best AUC-PR is 0.2000")
	if !saysWhy || d18.Epoch != 2 || d18.Attempt != 1 {
		t.Errorf("want d18 stopped for being behind: %+v", d18)
	}
	if d := cmp.Diff(&v1alpha1.CohortVerdict{Epoch: 2, AUCPR: "0.2000", Median: "0.7250"}, d18.Cohort); d != "" {
		t.Errorf("the verdict (-want +got):\n%s", d)
	}
	noVerdict := trialOf(t, run, "d34").Cohort == nil
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Best.Trial != "d34" || !noVerdict {
		t.Errorf("want the other trials to train to the end: %s", encodeStatus(run))
	}
}

func testCohortDryRun(t *testing.T) {
	const name = "cohort-dry"
	apply(t, cohortRun(t, name, true))
	run := awaitRun(t, keyOf(name), "verdict", func(r *v1alpha1.TrainingRun) bool {
		return len(r.Status.Trials) == 3 && r.Status.Trials[0].Cohort != nil
	})
	letGoOn(t, run, "d18", "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	d18 := trialOf(t, run, "d18")
	undisturbed := d18.Phase == v1alpha1.TrialSucceeded && d18.Attempt == 1 && d18.Interruptions == 0
	if run.Status.Done != "3/3" || !undisturbed || run.Status.Best.Trial != "d18" {
		t.Errorf("want a dry run that stops nothing: %s", encodeStatus(run))
	}
	// The rule would have stopped d18, which is the best in the end with 0.95. Without d18 the best would have 0.80.
	want := &v1alpha1.CohortVerdict{Epoch: 2, AUCPR: "0.2000", Median: "0.7250", DryRun: true, Cost: "0.1500"}
	if d := cmp.Diff(want, d18.Cohort); d != "" {
		t.Errorf("the verdict (-want +got):\n%s", d)
	}
}

// testFailedTrial lets one trial fail, which ends the run. The other trials wait, and are stopped before the test lets
// them continue.
func testFailedTrial(t *testing.T, name string, policy object) {
	o := scripted(t, name, 2, script{
		"d18": {"0.5 hold exit:65"},
		"d34": {"0.6 hold 0.7 finish"},
		"d50": {"0.4 hold 0.7 finish"},
	})
	at(o, "spec")["failurePolicy"] = policy
	apply(t, o)
	letGoOn(t, awaitEpoch(t, name, 1, "d18", "d34", "d50"), "d18")
	run := awaitRun(t, keyOf(name), "end", ended)
	message := trueConditionMessage(run, v1alpha1.ConditionFailed)
	const tooMany = "1 of 3 trials failed, and failurePolicy allows 0"
	if run.Status.Phase != v1alpha1.RunFailed || !strings.Contains(message, tooMany) {
		t.Errorf("want a run that failed: %s", encodeStatus(run))
	}
	if d18 := trialOf(t, run, "d18"); d18.Phase != v1alpha1.TrialFailed || d18.Reason != "BadData" {
		t.Errorf("want d18 failed: %+v", d18)
	}
	for _, other := range []string{"d34", "d50"} {
		s := trialOf(t, run, other)
		stopped := s.Phase == v1alpha1.TrialStopped && s.Reason == "TooManyFailedTrials"
		if !stopped || s.Epoch != 1 || s.Attempts[0].Class != "Interrupted" {
			t.Errorf("want %s stopped: %+v", other, s)
		}
	}
	if b := run.Status.Best; b == nil || b.Trial != "d34" || b.Provisional {
		t.Errorf("want d34's epoch as the best, since a stopped trial competes: %s", encodeStatus(run))
	}
}

// testTooFewSucceeded has a policy that lets a trial fail but needs two to succeed. So the run trains to the end and
// then fails.
func testTooFewSucceeded(t *testing.T) {
	const name = "too-few"
	o := scripted(t, name, 2, script{"d18": {"0.5 exit:65"}, "d34": {"hold 0.6 finish"}})
	at(o, "spec")["failurePolicy"] = object{"maxFailedTrials": 1, "minSucceededTrials": 2}
	apply(t, o)
	letGoOn(t, awaitPhase(t, name, "d18", v1alpha1.TrialFailed), "d34")
	run := awaitRun(t, keyOf(name), "end", ended)
	message := trueConditionMessage(run, v1alpha1.ConditionFailed)
	saysWhy := strings.HasPrefix(message, "failurePolicy.minSucceededTrials is 2: 1 of 2 trials succeeded")
	d34 := trialOf(t, run, "d34")
	if run.Status.Phase != v1alpha1.RunFailed || d34.Phase != v1alpha1.TrialSucceeded || !saysWhy {
		t.Errorf("want a run that failed with a trial that succeeded: %s", encodeStatus(run))
	}
}

// testFailedTrialCompetes lets the trial with the best epoch fail after that epoch.
func testFailedTrialCompetes(t *testing.T) {
	const name = "failed-best"
	apply(t, scripted(t, name, 2, script{"d18": {"0.6 0.7 finish"}, "d34": {"0.9 nan exit:76"}}))
	run := awaitRun(t, keyOf(name), "end", ended)
	best, d34 := run.Status.Best, trialOf(t, run, "d34")
	if run.Status.Phase != v1alpha1.RunSucceeded || d34.Phase != v1alpha1.TrialFailed || d34.Reason != "Diverged" {
		t.Fatalf("want a run that succeeded with a trial that diverged: %s", encodeStatus(run))
	}
	if best == nil || best.Trial != "d34" || best.Epoch != 1 || best.AUCPR != "0.9000" || best.Provisional {
		t.Fatalf("want d34's first epoch as the best: %s", encodeStatus(run))
	}
	if best.RunnerUp == nil || best.RunnerUp.Trial != "d18" {
		t.Fatalf("want d18 as the runner-up: %s", encodeStatus(run))
	}
	if _, err := os.Stat(filepath.Join(hostPath(best.Checkpoint.URI), "manifest.json")); err != nil {
		t.Errorf("the best checkpoint is not there: %v", err)
	}
	if want, ok := selectBest(streamOf(t, string(run.UID))); !ok || want.Checkpoint.Digest != best.Checkpoint.Digest {
		t.Errorf("recomputed from the stream the best is %+v", want)
	}
}
