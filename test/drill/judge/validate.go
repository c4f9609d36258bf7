package judge

import "fmt"

// Kind is what a broken rule means to a person who trusts the operator.
type Kind string

// A drill counts violations by these kinds.
const (
	LostReport     Kind = "lost reports"
	Doubled        Kind = "doubled"
	CorruptRestore Kind = "corrupt restores"
	FalseSuccess   Kind = "false successes"
	Other          Kind = "other violations"
)

// Kinds holds every kind, in the order in which a drill prints them.
var Kinds = []Kind{LostReport, Doubled, CorruptRestore, FalseSuccess, Other}

// Violation is one broken rule.
type Violation struct {
	Kind Kind
	Text string
}

func (v Violation) String() string { return v.Text }

// recordFunc adds one violation. Its text is made as fmt.Sprintf makes it.
type recordFunc func(kind Kind, format string, args ...any)

// Validate returns every violation in the history h, and none when h is in order. calm is the history of a run with the
// same settings that no fault struck: weights and best must be the same in both. With an empty calm nothing is
// compared.
func Validate(h, calm History) (violations []Violation) {
	record := func(kind Kind, format string, args ...any) {
		violations = append(violations, Violation{kind, fmt.Sprintf(format, args...)})
	}
	if len(h.Statuses) == 0 {
		record(Other, "no version of the run was seen")
		return violations
	}
	last := h.Statuses[len(h.Statuses)-1]
	if last.CompletionTime == "" {
		record(Other, "the run did not end: it is %s", last.Phase)
		return violations
	}
	if last.Phase != "Succeeded" {
		record(Other, "the run ended %s", last.Phase)
	}
	checkReportCounts(h, last, record)
	checkDuplicateCounts(h, last, record)
	checkBests(h, last, record)
	checkSuccesses(h, last, record)
	checkStore(h, record)
	checkPodsApart(h, record)
	checkNothingGoesBack(h, record)
	checkResumePoints(h, record)
	checkCommittedReports(h, last, record)
	checkSameAsCalm(h, calm, record)
	checkEvents(h, last, record)
	for _, l := range h.Leftovers {
		record(Other, "left over after the run was deleted: %s", l)
	}
	return violations
}
