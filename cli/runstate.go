package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// What the verbs read off a run's status. It is the operator's, but everything here bears a status that is empty, half-filled or odd.

// ended says whether the run is over, and how. Conditions decide; the phase is for printing.
func ended(r *api.TrainingRun) (over, succeeded bool) {
	if meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionSucceeded) {
		return true, true
	}
	return meta.IsStatusConditionTrue(r.Status.Conditions, api.ConditionFailed), false
}

func phaseOf(r *api.TrainingRun) api.RunPhase {
	return cmp.Or(api.RunPhase(clean(string(r.Status.Phase))), api.RunPending)
}

// conditionMessage is the sentence of a condition that has the given status, or "".
func conditionMessage(conditions []metav1.Condition, kind string, status metav1.ConditionStatus) string {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil || c.Status != status {
		return ""
	}
	return clean(cmp.Or(c.Message, c.Reason))
}

func findTrial(r *api.TrainingRun, name string) *api.TrialStatus {
	for i := range r.Status.Trials {
		if r.Status.Trials[i].Name == name {
			return &r.Status.Trials[i]
		}
	}
	return nil
}

// trialNames lists the trials of a run for a message.
func trialNames(r *api.TrainingRun) string {
	names := make([]string, 0, len(r.Status.Trials))
	for _, t := range r.Status.Trials {
		names = append(names, clean(t.Name))
	}
	return strings.Join(names, ", ")
}

// noBest says why a run has no best checkpoint.
func noBest(r *api.TrainingRun, inNamespace string) error {
	over, _ := ended(r)
	if !over {
		return fmt.Errorf("run %q has no checkpoint yet: it is %s\nFollow it: plumb watch %s%s", r.Name, phaseOf(r), r.Name, inNamespace)
	}
	why := conditionMessage(r.Status.Conditions, api.ConditionBestSelected, metav1.ConditionFalse)
	if why == "" {
		why = conditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue)
	}
	return fmt.Errorf("run %q ended without a best checkpoint: %s\nSee its trials: plumb watch %s%s", r.Name, why, r.Name, inNamespace)
}

// mustGoOn refuses what could not have an effect: a run that has ended stays as it is.
func mustGoOn(r *api.TrainingRun, inNamespace string) error {
	if over, _ := ended(r); over {
		return fmt.Errorf("run %q has ended (%s), which nothing changes\nAnother run from its checkpoints: plumb retry %s%s", r.Name, phaseOf(r), r.Name, inNamespace)
	}
	return nil
}

// cohortWords tells what earlyStopping.cohort would have done; of what it has done the trial's message tells.
func cohortWords(t api.TrialStatus) string {
	c := t.Cohort
	if c == nil || !c.DryRun {
		return ""
	}
	text := fmt.Sprintf("earlyStopping.cohort would have stopped it at epoch %d: AUC-PR %s, the others' median %s", c.Epoch, number(c.AUCPR, 4), number(c.Median, 4))
	if v, err := strconv.ParseFloat(string(c.Cost), 64); err == nil {
		text += map[bool]string{true: "; it would have cost nothing", false: "; it would have cost " + number(c.Cost, 4) + " of the best"}[v == 0]
	}
	return text
}

// took is how long the run has been going, or went.
func took(r *api.TrainingRun, now time.Time) time.Duration {
	start := r.CreationTimestamp.Time
	if r.Status.StartTime != nil {
		start = r.Status.StartTime.Time
	}
	if r.Status.CompletionTime != nil {
		now = r.Status.CompletionTime.Time
	}
	return max(0, now.Sub(start))
}
