package main

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

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

// number shows d with the given digits, or what it holds if that is no number.
func number[D ~string](d D, digits int) string {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return truncate(clean(string(d)), 8, "")
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// interval shows the 95 % interval of m, or "" where there is none.
func interval(m api.Metrics, dash string) string {
	if m.AUCPRLow == "" || m.AUCPRHigh == "" {
		return ""
	}
	return number(m.AUCPRLow, 2) + dash + number(m.AUCPRHigh, 2)
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

// age is what kubectl prints under AGE.
func age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return human(now.Sub(t.Time))
}

func human(d time.Duration) string { return duration.HumanDuration(max(0, d)) }
