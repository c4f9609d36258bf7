package runstate

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// What the verbs read off a run's status. It is the operator's, but everything here bears a status that is empty, half-filled or odd.

// ended says whether the run is over, and how. Conditions decide; the phase is for printing.
func Ended(r *api.TrainingRun) (over, succeeded bool) {
	if meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionSucceeded) {
		return true, true
	}
	return meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionFailed), false
}

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

// NoBest says why a run has no best checkpoint.
func NoBest(r *api.TrainingRun, inNamespace string) error {
	over, _ := Ended(r)
	if !over {
		return fmt.Errorf("run %q has no checkpoint yet: it is %s\nFollow it: plumb watch %s%s", r.Name, Phase(r), r.Name, inNamespace)
	}
	why := ConditionMessage(r.Status.Conditions, api.ConditionBestSelected, metav1.ConditionFalse)
	if why == "" {
		why = ConditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue)
	}
	return fmt.Errorf("run %q ended without a best checkpoint: %s\nSee its trials: plumb watch %s%s", r.Name, why, r.Name, inNamespace)
}

// mustGoOn refuses what could not have an effect: a run that has ended stays as it is.
func RefuseEnded(r *api.TrainingRun, inNamespace string) error {
	if over, _ := Ended(r); over {
		return fmt.Errorf("run %q has ended (%s), which nothing changes\nAnother run from its checkpoints: plumb retry %s%s", r.Name, Phase(r), r.Name, inNamespace)
	}
	return nil
}

// CohortWords tells what earlyStopping.cohort would have done; of what it has done the trial's message tells.
func CohortWords(t api.TrialStatus) string {
	c := t.Cohort
	if c == nil || !c.DryRun {
		return ""
	}
	words := fmt.Sprintf("earlyStopping.cohort would have stopped it at epoch %d: AUC-PR %s, the others' median %s", c.Epoch, Number(c.AUCPR, 4), Number(c.Median, 4))
	if v, err := strconv.ParseFloat(string(c.Cost), 64); err == nil {
		words += map[bool]string{true: "; it would have cost nothing", false: "; it would have cost " + Number(c.Cost, 4) + " of the best"}[v == 0]
	}
	return words
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
