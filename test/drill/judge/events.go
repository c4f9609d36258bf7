package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkEvents checks the run's Events. An operator emits an Event after it has written the status that the Event is
// about. So no Event is about an attempt, an end or a best that status and stream do not have, also after a kill. And
// an Event about something that happens once is emitted at most once, by all operators together. A missing Event breaks
// no rule: it was lost with the operator that was about to emit it.
func checkEvents(h History, last Status, record recordFunc) {
	verdict := Condition{}
	for _, c := range last.Conditions {
		if c.Type == "Succeeded" {
			verdict = c
		}
	}
	once := []string{"Admitted", "AttemptStarted", "TrialSucceeded", verdict.Reason}
	times := map[string]int{} // by reason and Job
	for _, e := range h.Events {
		if slices.Contains(once, e.Reason) {
			key := strings.TrimSpace(e.Reason + " " + e.Job)
			if times[key] += e.Times; times[key] > 1 {
				record(Other, "the event %s was emitted %d times", key, times[key])
			}
		}
		if e.Job != "" {
			checkEventOfAttempt(h.Run, e, last, record)
		}
		switch {
		case e.Reason == verdict.Reason && e.Note != verdict.Message:
			record(Other, "the event of the run's end says %q, and status says %q", e.Note, verdict.Message)
		case e.Reason == "NewBest" && !hasBest(h, e.Note):
			record(Other, "an event names a new best, %q, and no report in the stream does", e.Note)
		}
	}
}

// checkEventOfAttempt checks that status counts the attempt that the Event is about, and that a trial whose success the
// Event announces is Succeeded.
func checkEventOfAttempt(run string, e Event, last Status, record recordFunc) {
	name := strings.TrimPrefix(e.Job, run+"-")
	trial, number, _ := strings.Cut(name, "-a")
	n, err := strconv.Atoi(number)
	i := slices.IndexFunc(last.Trials, func(t Trial) bool { return t.Name == trial })
	switch {
	case err != nil || name == e.Job || i < 0 || n < 1 || n > last.Trials[i].Attempt:
		record(Other, "an event (%s) is about %s, and status has no such attempt", e.Reason, e.Job)
	case e.Reason == "TrialSucceeded" && last.Trials[i].Phase != "Succeeded":
		record(FalseSuccess, "an event says that %s succeeded, and it is %s", trial, last.Trials[i].Phase)
	}
}

// hasBest reports whether the stream holds the epoch that the note of a NewBest Event names.
func hasBest(h History, note string) bool {
	var trial, aucPR string
	var epoch int
	if _, err := fmt.Sscanf(note, "%s leads with AUC-PR %s at epoch %d", &trial, &aucPR, &epoch); err != nil {
		return false
	}
	return slices.ContainsFunc(h.Reports, func(r Report) bool {
		return r.Trial == trial && r.Epoch == epoch && r.Checkpoint != nil && r.Metrics != nil &&
			fmt.Sprintf("%.4f", r.Metrics.AUCPR) == aucPR
	})
}
