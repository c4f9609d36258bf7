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

// Number shows d with the given digits, or what it holds if that is no number.
func Number[D ~string](d D, digits int) string {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil {
		return text.Truncate(text.Clean(string(d)), 8, "")
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// Interval shows the 95 % interval of m, or "" where there is none.
func Interval(m api.Metrics, dash string) string {
	if m.AUCPRLow == "" || m.AUCPRHigh == "" {
		return ""
	}
	return Number(m.AUCPRLow, 2) + dash + Number(m.AUCPRHigh, 2)
}

// Age is what kubectl prints under AGE.
func Age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Human(now.Sub(t.Time))
}

// Human shows d as kubectl shows an age; below 0 is 0.
func Human(d time.Duration) string { return duration.HumanDuration(max(0, d)) }

// CohortWords tells what earlyStopping.cohort would have done; of what it has done the trial's message tells.
func CohortWords(t api.TrialStatus) string {
	c := t.Cohort
	if c == nil || !c.DryRun {
		return ""
	}
	words := fmt.Sprintf("earlyStopping.cohort would have stopped it at epoch %d: AUC-PR %s, the others' median %s",
		c.Epoch, Number(c.AUCPR, 4), Number(c.Median, 4))
	if v, err := strconv.ParseFloat(string(c.Cost), 64); err == nil {
		price := "nothing"
		if v != 0 {
			price = Number(c.Cost, 4) + " of the best"
		}
		words += "; it would have cost " + price
	}
	return words
}
