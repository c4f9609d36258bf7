package wire

import "fmt"

// Names in NATS that all runs of an installation share.
const (
	// Stream is the name of the JetStream stream that holds the reports of every run.
	Stream = "PLUMBLINE"
	// StreamSubjects is the pattern of the subjects that Stream stores.
	StreamSubjects = "plumbline.v1.>"
)

// Subject returns the subject of one attempt's reports: plumbline.v1.<run uid>.<trial>.a<attempt>.
func Subject(runUID, trial string, attempt int) string {
	return fmt.Sprintf("plumbline.v1.%s.%s.a%d", runUID, trial, attempt)
}

// RunSubjects returns the pattern of the subjects on which the credential of one run may publish.
func RunSubjects(runUID string) string { return "plumbline.v1." + runUID + ".>" }

// InboxPrefix returns the prefix of the subjects on which the pods of one run receive acknowledgements. The run's
// credential may subscribe to nothing else.
func InboxPrefix(runUID string) string { return "_INBOX_" + runUID }
