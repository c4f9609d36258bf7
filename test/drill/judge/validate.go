package judge

import (
	"fmt"
	"time"
)

// Kind is what a broken rule means to whoever trusts the operator.
type Kind string

// The kinds, as a drill counts them.
const (
	LostReport     Kind = "lost reports"
	Doubled        Kind = "doubled"
	CorruptRestore Kind = "corrupt restores"
	FalseSuccess   Kind = "false successes"
	Other          Kind = "other violations"
)

// Kinds in the order in which they are told.
var Kinds = []Kind{LostReport, Doubled, CorruptRestore, FalseSuccess, Other}

// Violation is one thing that must not have happened.
type Violation struct {
	Kind Kind
	Text string
}

func (v Violation) String() string { return v.Text }

// Validate says what must not have happened. It knows the rules from the design alone and shares no code with what it judges.
// calm is the same run undisturbed; what a trial ends with must not differ from that.
func Validate(h, calm History) (violations []Violation) {
	say := func(kind Kind, format string, args ...any) {
		violations = append(violations, Violation{kind, fmt.Sprintf(format, args...)})
	}
	if len(h.Statuses) == 0 {
		say(Other, "no version of the run was seen")
		return violations
	}
	last := h.Statuses[len(h.Statuses)-1]
	if last.CompletionTime == "" {
		say(Other, "the run did not end: it is %s", last.Phase)
		return violations
	}
	if last.Phase != "Succeeded" {
		say(Other, "the run ended %s", last.Phase)
	}
	countedOnce(h, last, say)
	duplicatesCounted(h, last, say)
	bestIsBest(h, last, say)
	succeededIsTrue(h, last, say)
	writersApart(h, say)
	podsApart(h, say)
	neverBack(h, say)
	nothingRepeated(h, say)
	committedIsTold(h, last, say)
	sameAsCalm(h, calm, say)
	toldInEvents(h, last, say)
	for _, l := range h.Leftovers {
		say(Other, "left over after the run was deleted: %s", l)
	}
	return violations
}

type sayer func(kind Kind, format string, args ...any)

// podsApart: no trial had two pods that ran at the same time.
func podsApart(h History, say sayer) {
	for i, a := range h.Pods {
		for _, b := range h.Pods[i+1:] {
			if a.Trial != b.Trial || a.Started.IsZero() || b.Started.IsZero() {
				continue
			}
			if (a.Ended.IsZero() || b.Started.Before(a.Ended)) && (b.Ended.IsZero() || a.Started.Before(b.Ended)) {
				say(Other, "%s had two pods at once: %s from %s to %s and %s from %s to %s", a.Trial, a.Name, clock(a.Started), clock(a.Ended), b.Name, clock(b.Started), clock(b.Ended))
			}
		}
	}
}

// neverBack: an epoch, an attempt, a count, a terminal phase and a best's value never go back.
func neverBack(h History, say sayer) {
	terminal := func(phase string) bool { return phase == "Succeeded" || phase == "Failed" || phase == "Stopped" }
	was := map[string]Trial{}
	ended := false
	for _, s := range h.Statuses {
		if ended && s.CompletionTime == "" {
			say(Other, "the run had ended and goes on")
		}
		ended = s.CompletionTime != ""
		for _, t := range s.Trials {
			w, seen := was[t.Name]
			was[t.Name] = t
			switch {
			case !seen:
			case t.Attempt < w.Attempt, t.Epoch < w.Epoch, t.ReportsSeen < w.ReportsSeen:
				say(Other, "%s went back from attempt %d, epoch %d, %d reports to attempt %d, epoch %d, %d reports", t.Name, w.Attempt, w.Epoch, w.ReportsSeen, t.Attempt, t.Epoch, t.ReportsSeen)
			case terminal(w.Phase) && t.Phase != w.Phase:
				say(FalseSuccess, "%s had ended %s and is %s", t.Name, w.Phase, t.Phase)
			case w.Best != nil && (t.Best == nil || t.Best.AUCPR < w.Best.AUCPR): // four digits each: their order is that of the words
				say(Other, "%s lost its best of %s", t.Name, w.Best.AUCPR)
			}
		}
	}
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.UTC().Format("15:04:05")
}
