package ingest

import (
	"strings"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/wire"
)

// maxWriters bounds what one trial's reports can make the operator remember: 101 attempts are the most that a run may
// ask for, and a Job that somebody deletes and the operator makes again is one more writer.
const maxWriters = 1024

// maxSpans is how many holes there may be in what one writer has told, for the same reason: NATS loses none, and a
// resuming writer repeats in order.
const maxSpans = 1024

// Reasons why a report is refused: labels of a counter, so a fixed few.
const (
	refusedSize    = "too_large"
	refusedForm    = "malformed"
	refusedVersion = "version"
	refusedSubject = "subject" // it says another run, trial or attempt than the subject that it came on
	refusedRun     = "run"     // nobody's, or of a run that has ended
	refusedTrial   = "trial"
	refusedAttempt = "attempt" // one that was never started
	refusedEpoch   = "epoch"
	refusedWriter  = "writer"
)

func init() { // so that the first refusal is an increase
	for _, reason := range []string{refusedSize, refusedForm, refusedVersion, refusedSubject, refusedRun, refusedTrial, refusedAttempt, refusedEpoch, refusedWriter} {
		metrics.Refused.WithLabelValues(reason)
	}
}

// expected is what reports of one run must agree with.
type expected map[string]expectedTrial

type expectedTrial struct {
	depth, attempt, epochs int
}

func expect(run *api.TrainingRun) expected {
	e := expected{}
	for _, t := range run.Status.Trials {
		e[t.Name] = expectedTrial{depth: int(t.Depth), attempt: int(t.Attempt), epochs: int(t.Epochs)}
	}
	return e
}

// merge takes in what a newer look at the run says, or an older one: a cache may be behind what this operator has
// written itself, and an attempt that was started once stays so.
func (e expected) merge(now expected) expected {
	for name, t := range now {
		t.attempt = max(t.attempt, e[name].attempt)
		now[name] = t
	}
	return now
}

// decode reads a report and says why it cannot be used.
func decode(subject string, data []byte) (r wire.Report, refused string) {
	if len(data) > wire.MaxReportBytes {
		return r, refusedSize
	}
	r, err := wire.DecodeReport(data)
	switch {
	case err != nil && r.Version != "" && wire.CheckVersion(r.Version) != nil:
		return r, refusedVersion
	case err != nil:
		return r, refusedForm
	case wire.Subject(r.RunUID, r.Trial, r.Attempt) != subject:
		return r, refusedSubject
	}
	return r, ""
}

// refuse says why a report does not belong to the run; empty: it does. A credential admits a pod to its own run's
// subjects only, so what is refused here is a fault or a lie of that run's own pods.
func (e expected) refuse(r wire.Report) string {
	t, ok := e[r.Trial]
	switch {
	case !ok || t.depth != r.Depth:
		return refusedTrial
	case r.Attempt > t.attempt:
		return refusedAttempt
	case r.Epochs != t.epochs:
		return refusedEpoch
	case !strings.HasPrefix(r.Writer, wire.Trial{Name: r.Trial, Attempt: r.Attempt}.Writer("")):
		return refusedWriter
	}
	return ""
}

// runOf is the run's uid in a subject.
func runOf(subject string) string {
	parts := strings.SplitN(strings.TrimPrefix(subject, strings.TrimSuffix(wire.StreamSubjects, ">")), ".", 2)
	return parts[0]
}
