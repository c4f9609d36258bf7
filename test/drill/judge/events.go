package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// toldInEvents: an event is told once, by whoever wrote the status that it is about, after it was written. So whatever was killed,
// none is about an attempt, an end or a best that status and stream do not know, and what happens once is told at most once, by all
// operators together. That one is missing says nothing: it dies with the operator that was about to tell it.
func toldInEvents(h History, last Status, say sayer) {
	verdict := Conditions{}
	for _, c := range last.Conditions {
		if c.Type == "Succeeded" {
			verdict = c
		}
	}
	once := []string{"Admitted", "AttemptStarted", "TrialSucceeded", verdict.Reason}
	times := map[string]int{}
	for _, e := range h.Events {
		if slices.Contains(once, e.Reason) {
			what := strings.TrimSpace(e.Reason + " " + e.Job)
			if times[what] += e.Times; times[what] > 1 {
				say(Other, "the event %s was told %d times", what, times[what])
			}
		}
		if e.Job != "" {
			ofAnAttempt(h.Run, e, last, say)
		}
		switch {
		case e.Reason == verdict.Reason && e.Note != verdict.Message:
			say(Other, "the run's end was told as %q, and status says %q", e.Note, verdict.Message)
		case e.Reason == "NewBest" && !measured(h, e.Note):
			say(Other, "an event tells of a new best, %q, and no report in the stream does", e.Note)
		}
	}
}

// ofAnAttempt: what an event is about is an attempt that status has counted, and no trial succeeded that did not stay so.
func ofAnAttempt(run string, e Event, last Status, say sayer) {
	name := strings.TrimPrefix(e.Job, run+"-")
	trial, number, _ := strings.Cut(name, "-a")
	n, err := strconv.Atoi(number)
	i := slices.IndexFunc(last.Trials, func(t Trial) bool { return t.Name == trial })
	switch {
	case err != nil || name == e.Job || i < 0 || n < 1 || n > last.Trials[i].Attempt:
		say(Other, "an event (%s) is about %s, and status knows no such attempt", e.Reason, e.Job)
	case e.Reason == "TrialSucceeded" && last.Trials[i].Phase != "Succeeded":
		say(FalseSuccess, "an event says that %s succeeded, and it is %s", trial, last.Trials[i].Phase)
	}
}

// measured says whether the stream holds the best that an event tells of.
func measured(h History, note string) bool {
	var trial, aucPR string
	var epoch int
	if _, err := fmt.Sscanf(note, "%s leads with AUC-PR %s at epoch %d", &trial, &aucPR, &epoch); err != nil {
		return false
	}
	return slices.ContainsFunc(h.Reports, func(r Report) bool {
		return r.Trial == trial && r.Epoch == epoch && r.Checkpoint != nil && r.Metrics != nil && fmt.Sprintf("%.4f", r.Metrics.AUCPR) == aucPR
	})
}
