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

// Ended reports whether the run is over, and whether it succeeded. It reads the conditions: the phase is only for
// printing. The operator has another definition, plan.Ended: it reads the completion time, which is the record. One
// write of the status sets both.
func Ended(r *api.TrainingRun) (over, succeeded bool) {
	if meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionSucceeded) {
		return true, true
	}
	return meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionFailed), false
}

// Phase returns the run's phase. A run without one is Pending.
func Phase(r *api.TrainingRun) api.RunPhase {
	return cmp.Or(api.RunPhase(text.Clean(string(r.Status.Phase))), api.RunPending)
}

// ConditionMessage returns the message of the condition of this type, or its reason if it has no message. It returns ""
// if the condition does not have the given status.
func ConditionMessage(conditions []metav1.Condition, kind string, status metav1.ConditionStatus) string {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil || c.Status != status {
		return ""
	}
	return text.Clean(cmp.Or(c.Message, c.Reason))
}

// FindTrial returns a pointer to the trial of that name in r, or nil if r has none.
func FindTrial(r *api.TrainingRun, name string) *api.TrialStatus {
	for i := range r.Status.Trials {
		if r.Status.Trials[i].Name == name {
			return &r.Status.Trials[i]
		}
	}
	return nil
}

// TrialNames returns the names of a run's trials, separated by commas.
func TrialNames(r *api.TrainingRun) string {
	names := make([]string, 0, len(r.Status.Trials))
	for _, t := range r.Status.Trials {
		names = append(names, text.Clean(t.Name))
	}
	return strings.Join(names, ", ")
}

// Took returns how long the run has taken: from its start, or its creation if it has not started, until it ended or
// now.
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
