package wire

import "fmt"

const (
	// Stream holds the reports of every run of an installation.
	Stream = "PLUMBLINE"
	// StreamSubjects is what Stream listens to.
	StreamSubjects = "plumbline.v1.>"
)

// Subject is where one attempt's reports go: plumbline.v1.<run uid>.<trial>.<attempt>.
func Subject(runUID, trial string, attempt int) string {
	return fmt.Sprintf("plumbline.v1.%s.%s.a%d", runUID, trial, attempt)
}

// RunSubjects is everything that the credential of one run may publish on.
func RunSubjects(runUID string) string { return "plumbline.v1." + runUID + ".>" }

// InboxPrefix is where the acknowledgements of one run's pods arrive; its credential may subscribe to nothing else.
func InboxPrefix(runUID string) string { return "_INBOX_" + runUID }
