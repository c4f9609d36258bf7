package runstate

import (
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/text"
)

// Number returns d with this many digits after the point. If d is not a number, Number returns up to 8 columns of it.
func Number[D ~string](d D, digits int) string {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return text.Truncate(text.Clean(string(d)), 8, "")
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// Interval returns the 95 % interval of m's AUC-PR, with dash between its ends, or "" if m has none.
func Interval(m api.Metrics, dash string) string {
	if m.AUCPRLow == "" || m.AUCPRHigh == "" {
		return ""
	}
	return Number(m.AUCPRLow, 2) + dash + Number(m.AUCPRHigh, 2)
}

// Age returns the time since t as kubectl prints it under AGE.
func Age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Human(now.Sub(t.Time))
}

// Human returns d as kubectl prints an age, such as 3m20s. A negative d becomes 0s.
func Human(d time.Duration) string { return duration.HumanDuration(max(0, d)) }

// CohortWords returns what earlyStopping.cohort would have done to a trial if it were not a dry run, or "". If the
// trial was stopped, its own message says so.
func CohortWords(t api.TrialStatus) string {
	c := t.Cohort
	if c == nil || !c.DryRun {
		return ""
	}
	words := fmt.Sprintf("earlyStopping.cohort (dry run) would have stopped it at epoch %d: "+
		"AUC-PR %s, median of the others %s", c.Epoch, Number(c.AUCPR, 4), Number(c.Median, 4))
	if v, err := strconv.ParseFloat(string(c.Cost), 64); err == nil {
		best := "the same"
		if v != 0 {
			best = Number(c.Cost, 4) + " lower"
		}
		words += "; the best AUC-PR would be " + best
	}
	return words
}
