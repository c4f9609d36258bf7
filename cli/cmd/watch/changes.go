package watch

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
)

// changes says in lines what happened to a run between two sightings, for logs and pipes. before is nil at the first
// sighting, which tells where everything stands.
func changes(before, after *api.TrainingRun) []string {
	first := before == nil
	if first {
		before = &api.TrainingRun{}
	}
	var out []string
	for _, t := range after.Status.Trials {
		old := runstate.FindTrial(before, t.Name)
		if old == nil {
			old = &api.TrialStatus{}
		}
		out = append(out, trialChanges(*old, t)...)
	}
	for _, c := range []struct{ kind, word string }{
		{api.ConditionAdmitted, "not admitted"}, {api.ConditionMetricsHealthy, "reports"},
	} {
		m := runstate.ConditionMessage(after.Status.Conditions, c.kind, metav1.ConditionFalse)
		if m != "" && m != runstate.ConditionMessage(before.Status.Conditions, c.kind, metav1.ConditionFalse) {
			out = append(out, fmt.Sprintf("run   %s: %s", c.word, m))
		}
	}
	if b := after.Status.Best; b != nil && (before.Status.Best == nil || !sameBest(*before.Status.Best, *b)) {
		out = append(out, "best  "+bestLine(*b))
	}
	overBefore, _ := runstate.Ended(before)
	over, _ := runstate.Ended(after)
	if first || runstate.Phase(after) != runstate.Phase(before) || over != overBefore {
		out = append(out, runLine(after))
	}
	return out
}

// trialChanges is what the others say of the trial, what it did, and where it stands now.
func trialChanges(old, t api.TrialStatus) []string {
	name := text.Pad(text.Clean(t.Name), 5, false)
	var out []string
	if m := runstate.CohortWords(t); m != "" && m != runstate.CohortWords(old) {
		out = append(out, name+" "+m)
	}
	if t.Epoch > old.Epoch {
		out = append(out, fmt.Sprintf("%s epoch %d/%d%s", name, t.Epoch, t.Epochs, trialMetrics(t)))
	}
	if t.Phase != old.Phase || t.Attempt != old.Attempt && t.Attempt > 1 ||
		t.Message != old.Message && t.Phase != api.TrialSucceeded {
		s := name + " " + text.Clean(string(t.Phase))
		if t.Attempt > 1 {
			s += fmt.Sprintf(", attempt %d", t.Attempt)
		}
		if t.Reason != "" && t.Phase == api.TrialFailed {
			s += ", " + text.Clean(t.Reason)
		}
		if t.Message != "" && t.Phase != api.TrialSucceeded {
			s += ": " + text.Clean(t.Message)
		}
		out = append(out, s)
	}
	return out
}

func trialMetrics(t api.TrialStatus) string {
	s := ""
	if t.Last != nil {
		s += ", AUC-PR " + runstate.Number(t.Last.AUCPR, 4)
	}
	if t.Best != nil {
		s += fmt.Sprintf(", best %s%s at epoch %d",
			runstate.Number(t.Best.AUCPR, 4), bracketed(t.Best.Metrics), t.Best.Epoch)
	}
	if t.SecondsLeft != nil && t.Phase == api.TrialRunning {
		s += ", " + runstate.Human(time.Duration(*t.SecondsLeft)*time.Second) + " left"
	}
	return s
}

func sameBest(a, b api.Best) bool {
	return a.Trial == b.Trial && a.Epoch == b.Epoch && a.Provisional == b.Provisional && a.Checkpoint == b.Checkpoint
}

func bestLine(b api.Best) string {
	s := fmt.Sprintf("%s at epoch %d, AUC-PR %s%s",
		text.Clean(b.Trial), b.Epoch, runstate.Number(b.AUCPR, 4), bracketed(b.Metrics))
	if b.Provisional {
		return s + ", provisional"
	}
	if b.Reason != "" {
		s += ": " + text.Clean(b.Reason)
	}
	return s
}

func runLine(r *api.TrainingRun) string {
	s := "run   " + string(runstate.Phase(r))
	if r.Status.Done != "" {
		s += ", " + text.Clean(r.Status.Done) + " trials ended"
	}
	suspended := ""
	if runstate.Phase(r) == api.RunSuspended { // False while pods still save themselves
		suspended = cmp.Or(
			runstate.ConditionMessage(r.Status.Conditions, api.ConditionSuspended, metav1.ConditionTrue),
			runstate.ConditionMessage(r.Status.Conditions, api.ConditionSuspended, metav1.ConditionFalse))
	}
	for _, m := range []string{
		suspended,
		runstate.ConditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue),
		runstate.ConditionMessage(r.Status.Conditions, api.ConditionSucceeded, metav1.ConditionTrue),
	} {
		if m != "" {
			return s + ": " + m
		}
	}
	return s
}

// bracketed is " [0.82, 0.93]", or nothing where there is no interval.
func bracketed(m api.Metrics) string {
	if i := runstate.Interval(m, ", "); i != "" {
		return " [" + i + "]"
	}
	return ""
}
