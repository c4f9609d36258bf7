package runstate

import (
	"cmp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// Ended says whether the run is over, and how. Conditions decide; the phase is for printing.
func Ended(r *api.TrainingRun) (over, succeeded bool) {
	if meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionSucceeded) {
		return true, true
	}
	return meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionFailed), false
}

// Phase is the run's phase; a run without one is Pending.
func Phase(r *api.TrainingRun) api.RunPhase {
	return cmp.Or(api.RunPhase(text.Clean(string(r.Status.Phase))), api.RunPending)
}

// ConditionMessage is the sentence of a condition that has the given status, or "".
func ConditionMessage(conditions []metav1.Condition, kind string, status metav1.ConditionStatus) string {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil || c.Status != status {
		return ""
	}
	return text.Clean(cmp.Or(c.Message, c.Reason))
}

// FindTrial returns the trial of that name within r, or nil.
func FindTrial(r *api.TrainingRun, name string) *api.TrialStatus {
	for i := range r.Status.Trials {
		if r.Status.Trials[i].Name == name {
			return &r.Status.Trials[i]
		}
	}
	return nil
}

// TrialNames lists the trials of a run for a message.
func TrialNames(r *api.TrainingRun) string {
	names := make([]string, 0, len(r.Status.Trials))
	for _, t := range r.Status.Trials {
		names = append(names, text.Clean(t.Name))
	}
	return strings.Join(names, ", ")
}

// Took is how long the run has been going, or went.
func Took(r *api.TrainingRun, now time.Time) time.Duration {
	start := r.CreationTimestamp.Time
	if r.Status.StartTime != nil {
		start = r.Status.StartTime.Time
	}
	if r.Status.CompletionTime != nil {
		now = r.Status.CompletionTime.Time
	}
	return max(0, now.Sub(start))
}
