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

// TestRules holds the rules of a run's life against the real API server, with pods that report and do not train. They wait for one
// another more than they work, so they run side by side.
func TestRules(t *testing.T) {
	prepareReporter(t)
	for name, test := range map[string]func(*testing.T){
		"parallelism may change while the run runs":          parallelismChanges,
		"a run that is being promoted outlives its TTL":      promotionHoldsTTL,
		"what has ended has ended":                           endedForGood,
		"a deadline does not count suspended time":           clockStands,
		"a trial that is far behind the others is stopped":   cohortStops,
		"a dry run of that stops nothing and says its price": cohortDryRun,
		"one failure too many ends the run":                  func(t *testing.T) { tooManyFailed(t, "none-may-fail", object{"maxFailedTrials": 0}) },
		"so does one that leaves too few to succeed":         func(t *testing.T) { tooManyFailed(t, "all-must-succeed", object{"minSucceededTrials": 3}) },
		"too few succeeded":                                  tooFewSucceeded,
		"a trial that failed competes with what it left":     failedCompetes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func parallelismChanges(t *testing.T) {
	const name = "parallelism"
	o := scripted(t, name, 1, script{"d18": {"hold 0.5 finish"}, "d34": {"hold 0.5 finish"}, "d50": {"hold 0.5 finish"}})
	at(o, "spec")["parallelism"] = 1
	apply(t, o)
	run := awaitPhase(t, name, "d18", v1alpha1.TrialRunning)
	queued := func(r *v1alpha1.TrainingRun, places int, trials ...string) {
		t.Helper()
		for _, trial := range trials {
			if s := trialOf(t, r, trial); s.Attempt != 0 || s.Reason != "Queued" || s.Message != fmt.Sprintf("waits for a place: spec.parallelism is %d", places) {
				t.Errorf("want %s to wait for a place of %d: %s", trial, places, encodeStatus(r))
			}
		}
	}
	queued(run, 1, "d34", "d50")
	patch(t, keyOf(name), `{"parallelism":2}`)
	queued(awaitPhase(t, name, "d34", v1alpha1.TrialRunning), 2, "d50")
	patch(t, keyOf(name), `{"parallelism":1}`)
	run = obeyed(t, name)
	if d18, d34 := trialOf(t, run, "d18"), trialOf(t, run, "d34"); d18.Phase != v1alpha1.TrialRunning || d34.Phase != v1alpha1.TrialRunning {
		t.Errorf("whoever has a place keeps it: %s", encodeStatus(run))
	}
	tell(t, run, "d18")
	queued(awaitPhase(t, name, "d18", v1alpha1.TrialSucceeded), 1, "d50") // d34 has the only place
	tell(t, run, "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	if first, next := trialOf(t, run, "d34"), trialOf(t, run, "d50"); run.Status.Phase != v1alpha1.RunSucceeded || next.StartTime.Before(first.CompletionTime) {
		t.Errorf("d50 began before d34 had ended: %s", encodeStatus(run))
	}
}

// promotionHoldsTTL has three runs expire: one that nobody promotes, one whose version is published later, and one whose version is
// deleted. When the first is gone, the operator has long looked at the other two.
func promotionHoldsTTL(t *testing.T) {
	names := []string{"unpromoted", "published-later", "never-published"}
	var runs []object
	for _, name := range names {
		runs = append(runs, scripted(t, name, 1, script{"d18": {"0.5 finish"}}))
	}
	startAll(t, runs...)
	for _, name := range names {
		run := awaitRun(t, keyOf(name), "end", ended)
		t.Cleanup(func() { os.RemoveAll(filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID))) })
		if name == "unpromoted" {
			continue
		}
		apply(t, promotion(run, "of-"+name))
		t.Cleanup(func() { kubectl(t, "delete", "mver", "of-"+name+"-v1", "-n", namespace, "--ignore-not-found") })
	}
	for _, name := range slices.Backward(names) {
		patch(t, keyOf(name), `{"ttlSecondsAfterFinished":0}`)
		if name != "unpromoted" {
			obeyed(t, name)
		}
	}
	gone := func(name string) {
		t.Helper()
		eventually(t, "end of "+name, func() bool {
			return apierrors.IsNotFound(cluster.client.Get(t.Context(), keyOf(name), &v1alpha1.TrainingRun{}))
		})
	}
	stays := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if r := look(t, name); r.DeletionTimestamp != nil {
				t.Errorf("%s is deleted although its promotion has not ended", name)
			}
		}
	}
	gone("unpromoted")
	stays("published-later", "never-published")
	model := toyModel("of-published-later")
	at(model, "spec", "publishing")["image"] = reporterImage
	apply(t, model)
	t.Cleanup(func() { kubectl(t, "delete", "model", "of-published-later", "-n", namespace) })
	gone("published-later")
	wantCondition(t, "of-published-later-v1", v1alpha1.ConditionPublished, "True", "")
	stays("never-published")
	kubectl(t, "delete", "mver", "of-never-published-v1", "-n", namespace)
	gone("never-published")
}

// promotion is the first version of a model that need not be there yet.
func promotion(r *v1alpha1.TrainingRun, model string) object {
	o, best := validVersion(), r.Status.Best
	at(o, "metadata")["name"], at(o, "metadata")["namespace"] = model+"-v1", r.Namespace
	spec := at(o, "spec")
	spec["model"], spec["run"] = model, object{"name": r.Name, "uid": string(r.UID)}
	spec["checkpoint"] = object{"uri": best.Checkpoint.URI, "digest": best.Checkpoint.Digest}
	return o
}

// endedForGood does to a run that has ended all that its spec still lets through, and takes its Jobs away.
func endedForGood(t *testing.T) {
	const name = "ended-for-good"
	apply(t, scripted(t, name, 1, script{"d18": {"0.5 finish"}, "d34": {"0.4 exit:65"}}))
	was := awaitRun(t, keyOf(name), "end", ended)
	jobs := func() string {
		return kubectl(t, "get", "jobs", "-n", namespace, "-l", "plumbline.dev/run-uid="+string(was.UID), "-o", "jsonpath={.items[*].metadata.uid}")
	}
	there := jobs()
	if n := len(strings.Fields(there)); n != 2 {
		t.Errorf("want the Jobs of two attempts, there are %d", n)
	}
	for _, spec := range []string{
		`{"suspend":true}`, `{"suspend":false}`, `{"stopTrials":["d18","d34"]}`, `{"stopTrials":null,"parallelism":1}`, `{"parallelism":5}`,
		"", `{"ttlSecondsAfterFinished":3600}`, `{"suspend":true}`,
	} {
		if spec == "" {
			kubectl(t, "delete", "jobs", "-n", namespace, "-l", "plumbline.dev/run-uid="+string(was.UID), "--wait")
			there = ""
			continue
		}
		patch(t, keyOf(name), spec)
		is := obeyed(t, name)
		is.Status.ObservedGeneration = was.Status.ObservedGeneration
		if d := cmp.Diff(was.Status, is.Status); d != "" {
			t.Errorf("%s changed what had ended (-was +is):\n%s", spec, d)
		}
		if now := jobs(); now != there { // what the patch before this one led to would be seen by now
			t.Errorf("at %s there were Jobs %q, and there are %q", spec, there, now)
		}
	}
}

// clockStands suspends a run for longer than it may be active: a second run of the same deadline begins and ends at it meanwhile.
func clockStands(t *testing.T) {
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
	paused := awaitRun(t, keyOf(name), "suspension", func(r *v1alpha1.TrainingRun) bool { return isTrue(r, v1alpha1.ConditionSuspended) })
	apply(t, limited(other))
	if late := awaitRun(t, keyOf(other), "end", ended); late.Status.Phase != v1alpha1.RunFailed || late.Status.Trials[0].Reason != "DeadlineExceeded" {
		t.Errorf("want a run that failed at its deadline: %s", encodeStatus(late))
	}
	is := look(t, name)
	if is.Status.Phase != v1alpha1.RunSuspended || is.Status.ActiveSince != nil || is.Status.ActiveSeconds != paused.Status.ActiveSeconds {
		t.Errorf("%d s of activity were counted when the run was suspended, and now: %s", paused.Status.ActiveSeconds, encodeStatus(is))
	}
	patch(t, keyOf(name), `{"suspend":false}`)
	run := awaitRun(t, keyOf(name), "end", ended)
	lasted := run.Status.CompletionTime.Sub(run.Status.StartTime.Time).Seconds()
	if run.Status.Phase != v1alpha1.RunSucceeded || lasted < limit || run.Status.ActiveSeconds < paused.Status.ActiveSeconds || run.Status.ActiveSeconds >= limit {
		t.Errorf("want a run of %.0f s that succeeded, since it was active for less than %d s: %s", lasted, limit, encodeStatus(run))
	}
}

// cohort is a run in which d18 is far behind the others by its second epoch. All wait there.
func cohort(t *testing.T, name string, dryRun bool) object {
	o := scripted(t, name, 3, script{"d18": {"0.1 0.2 hold 0.95 finish"}, "d34": {"0.6 0.7 hold 0.8 finish"}, "d50": {"0.6 0.75 hold 0.8 finish"}})
	at(o, "spec", "earlyStopping")["cohort"] = object{"graceEpochs": 1, "margin": "0.3", "dryRun": dryRun}
	return o
}

func cohortStops(t *testing.T) {
	const name = "cohort"
	apply(t, cohort(t, name, false))
	run := awaitPhase(t, name, "d18", v1alpha1.TrialStopped)
	tell(t, run, "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	d18 := trialOf(t, run, "d18")
	if d18.Reason != "BehindOthers" || !strings.HasPrefix(d18.Message, "at epoch 2 its best AUC-PR is 0.2000") || d18.Epoch != 2 || d18.Attempt != 1 {
		t.Errorf("want d18 stopped for being behind: %+v", d18)
	}
	if d := cmp.Diff(&v1alpha1.CohortVerdict{Epoch: 2, AUCPR: "0.2000", Median: "0.7250"}, d18.Cohort); d != "" {
		t.Errorf("the verdict (-want +got):\n%s", d)
	}
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Best.Trial != "d34" || trialOf(t, run, "d34").Cohort != nil {
		t.Errorf("want the others to go on to the end: %s", encodeStatus(run))
	}
}

func cohortDryRun(t *testing.T) {
	const name = "cohort-dry"
	apply(t, cohort(t, name, true))
	run := awaitRun(t, keyOf(name), "verdict", func(r *v1alpha1.TrainingRun) bool {
		return len(r.Status.Trials) == 3 && r.Status.Trials[0].Cohort != nil
	})
	tell(t, run, "d18", "d34", "d50")
	run = awaitRun(t, keyOf(name), "end", ended)
	d18 := trialOf(t, run, "d18")
	if run.Status.Done != "3/3" || d18.Phase != v1alpha1.TrialSucceeded || d18.Attempt != 1 || d18.Interruptions != 0 || run.Status.Best.Trial != "d18" {
		t.Errorf("a dry run stops nothing: %s", encodeStatus(run))
	}
	// What would have been stopped is the best in the end, 0.95; without it that would have been 0.8.
	if d := cmp.Diff(&v1alpha1.CohortVerdict{Epoch: 2, AUCPR: "0.2000", Median: "0.7250", DryRun: true, Cost: "0.1500"}, d18.Cohort); d != "" {
		t.Errorf("the verdict (-want +got):\n%s", d)
	}
}

// tooManyFailed lets one trial fail while the others wait to go on, which they never do.
func tooManyFailed(t *testing.T, name string, policy object) {
	o := scripted(t, name, 2, script{"d18": {"0.5 hold exit:65"}, "d34": {"0.6 hold 0.7 finish"}, "d50": {"0.4 hold 0.7 finish"}})
	at(o, "spec")["failurePolicy"] = policy
	apply(t, o)
	tell(t, awaitEpoch(t, name, 1, "d18", "d34", "d50"), "d18")
	run := awaitRun(t, keyOf(name), "end", ended)
	if run.Status.Phase != v1alpha1.RunFailed || !strings.Contains(conditionOf(run, v1alpha1.ConditionFailed), "1 failed, and failurePolicy allows 0") {
		t.Errorf("want a run that failed: %s", encodeStatus(run))
	}
	if d18 := trialOf(t, run, "d18"); d18.Phase != v1alpha1.TrialFailed || d18.Reason != "BadData" {
		t.Errorf("want d18 failed: %+v", d18)
	}
	for _, other := range []string{"d34", "d50"} {
		if s := trialOf(t, run, other); s.Phase != v1alpha1.TrialStopped || s.Reason != "TooManyFailedTrials" || s.Epoch != 1 || s.Attempts[0].Class != "Interrupted" {
			t.Errorf("want %s stopped: %+v", other, s)
		}
	}
	if b := run.Status.Best; b == nil || b.Trial != "d34" || b.Provisional {
		t.Errorf("what was stopped competes: %s", encodeStatus(run))
	}
}

// tooFewSucceeded may fail a trial and goes on, but needs both.
func tooFewSucceeded(t *testing.T) {
	const name = "too-few"
	o := scripted(t, name, 2, script{"d18": {"0.5 exit:65"}, "d34": {"hold 0.6 finish"}})
	at(o, "spec")["failurePolicy"] = object{"maxFailedTrials": 1, "minSucceededTrials": 2}
	apply(t, o)
	tell(t, awaitPhase(t, name, "d18", v1alpha1.TrialFailed), "d34")
	run := awaitRun(t, keyOf(name), "end", ended)
	if run.Status.Phase != v1alpha1.RunFailed || trialOf(t, run, "d34").Phase != v1alpha1.TrialSucceeded || !strings.HasPrefix(conditionOf(run, v1alpha1.ConditionFailed), "failurePolicy.minSucceededTrials is 2: 1 of 2 trials succeeded") {
		t.Errorf("want a run that failed with a trial that succeeded: %s", encodeStatus(run))
	}
}

// failedCompetes has the trial with the best epoch fail after it.
func failedCompetes(t *testing.T) {
	const name = "failed-best"
	apply(t, scripted(t, name, 2, script{"d18": {"0.6 0.7 finish"}, "d34": {"0.9 nan exit:76"}}))
	run := awaitRun(t, keyOf(name), "end", ended)
	best, d34 := run.Status.Best, trialOf(t, run, "d34")
	if run.Status.Phase != v1alpha1.RunSucceeded || d34.Phase != v1alpha1.TrialFailed || d34.Reason != "Diverged" {
		t.Fatalf("want a run that succeeded with a trial that diverged: %s", encodeStatus(run))
	}
	if best == nil || best.Trial != "d34" || best.Epoch != 1 || best.AUCPR != "0.9000" || best.Provisional || best.RunnerUp == nil || best.RunnerUp.Trial != "d18" {
		t.Fatalf("want what d34 left: %s", encodeStatus(run))
	}
	if _, err := os.Stat(filepath.Join(hostPath(best.Checkpoint.URI), "manifest.json")); err != nil {
		t.Errorf("the best is not there: %v", err)
	}
	if want, ok := pick(streamOf(t, string(run.UID))); !ok || want.Checkpoint.Digest != best.Checkpoint.Digest {
		t.Errorf("recomputed from the stream the best is %+v", want)
	}
}
