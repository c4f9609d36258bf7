package ingest

import (
	"strings"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/wire"
)

// Reasons why a report is refused. They are label values of a counter, so there is a fixed set of them.
const (
	refusedSize    = "too_large"
	refusedForm    = "malformed"
	refusedVersion = "version" // of a wire version that the operator does not read
	refusedSubject = "subject" // names another run, trial or attempt than the subject on which it arrived
	refusedRun     = "run"     // of no known run, or of a run that has ended
	refusedTrial   = "trial"   // of no trial of the run, or with another depth than the trial's
	refusedAttempt = "attempt" // of an attempt that was never started
	refusedEpoch   = "epoch"   // with another number of epochs than the trial's
	refusedWriter  = "writer"  // by a writer of another trial or attempt, or by one writer or range too many
)

var refusalReasons = []string{
	refusedSize, refusedForm, refusedVersion, refusedSubject, refusedRun,
	refusedTrial, refusedAttempt, refusedEpoch, refusedWriter,
}

// init creates a series for each reason, so that Prometheus sees the first refusal as an increase.
func init() {
	for _, reason := range refusalReasons {
		metrics.Refused.WithLabelValues(reason)
	}
}

// expected holds what the reports of one run must agree with, by trial.
type expected map[string]expectedTrial

type expectedTrial struct {
	depth, attempt, epochs int
}

// expect returns what the run's status says about its trials.
func expect(run *api.TrainingRun) expected {
	e := expected{}
	for _, t := range run.Status.Trials {
		e[t.Name] = expectedTrial{depth: int(t.Depth), attempt: int(t.Attempt), epochs: int(t.Epochs)}
	}
	return e
}

// merge returns now, in which no trial's attempt is lower than in e. now may come from a cache that is behind what this
// operator has written: an attempt that was started once stays started.
func (e expected) merge(now expected) expected {
	for name, t := range now {
		t.attempt = max(t.attempt, e[name].attempt)
		now[name] = t
	}
	return now
}

// decode decodes a report. refused is the reason why the report cannot be used, or empty.
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

// refuse returns the reason why a report does not belong to the run, or "" if it does. A credential lets a pod publish
// on the subjects of its own run only. So a report that is refused here comes from a faulty or a malicious pod of the
// run itself.
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

// runOf returns the run's uid that a subject contains.
func runOf(subject string) string {
	parts := strings.SplitN(strings.TrimPrefix(subject, strings.TrimSuffix(wire.StreamSubjects, ">")), ".", 2)
	return parts[0]
}
