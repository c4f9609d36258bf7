package plan

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
)

// deriveConditions derives conditions, phase and counters from status.trials, which is the record.
func (p *planner) deriveConditions() {
	var done, training, finished, epochs int
	var waiting *api.TrialStatus // the first trial that waits for something
	begun := false
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		finished, epochs = finished+int(t.Epoch), epochs+int(t.Epochs)
		trains := t.Phase == api.TrialRunning || t.Phase == api.TrialFinishing
		begun = begun || t.ReportsSeen > 0 || trains || t.Phase.Terminal()
		switch {
		case t.Phase.Terminal():
			done++
		case t.Phase == api.TrialRunning:
			training++
		case waiting == nil:
			waiting = t
		}
	}
	if len(p.next.Trials) > 0 {
		p.next.Done = fmt.Sprintf("%d/%d", done, len(p.next.Trials))
		p.next.Progress = fmt.Sprintf("%d/%d", finished, epochs)
		p.setMetricsHealthy()
	}
	p.setRunning(done, training, waiting)
	p.setSuspended()
	switch {
	case meta.IsStatusConditionTrue(p.next.Conditions, api.ConditionSucceeded):
		p.next.Phase = api.RunSucceeded
	case meta.IsStatusConditionTrue(p.next.Conditions, api.ConditionFailed):
		p.next.Phase = api.RunFailed
	case p.suspendRequested() && p.next.StartTime != nil:
		p.next.Phase = api.RunSuspended
	case begun:
		p.next.Phase = api.RunRunning
	default:
		p.next.Phase = api.RunPending
	}
}

// setSuspended sets the condition Suspended: true once spec.suspend is true and no pod remains. A run that was resumed
// keeps the condition, as False, until all trials have ended.
func (p *planner) setSuspended() {
	was := meta.FindStatusCondition(p.next.Conditions, api.ConditionSuspended)
	remaining := ""
	for i := range p.next.Trials {
		if t := &p.next.Trials[i]; !t.Phase.Terminal() && remaining == "" {
			remaining = p.remaining(t)
		}
	}
	switch {
	case p.next.StartTime == nil || p.allEnded() || !p.suspendRequested() && was == nil:
		meta.RemoveStatusCondition(&p.next.Conditions, api.ConditionSuspended)
	case !p.suspendRequested():
		if was.Reason != "Resumed" {
			p.addEvent(decision.Normal, "Resumed", "the run resumes from its checkpoints")
		}
		p.setCondition(api.ConditionSuspended, false, "Resumed", "spec.suspend is no longer true")
	case remaining != "":
		p.setCondition(api.ConditionSuspended, false, "Suspending", suspending(remaining))
	default:
		if was == nil || was.Status != metav1.ConditionTrue {
			p.addEvent(decision.Normal, "Suspended", suspendIsTrue+": no pod is left, and active time is not counted")
		}
		p.setCondition(api.ConditionSuspended, true, "Suspended", suspendIsTrue)
	}
}

// setRunning sets the condition Running. Its message says how many trials train and what the first trial that waits is
// waiting for.
func (p *planner) setRunning(done, training int, waiting *api.TrialStatus) {
	all := len(p.next.Trials)
	wait, streamProblem := "", ""
	if !p.Stream.Connected {
		streamProblem = "; " + p.Stream.Problem
	}
	if waiting != nil {
		wait = fmt.Sprintf("%s (%s): %s", waiting.Name, waiting.Reason, waiting.Message)
		if waiting.Reason == attempt.ReasonFirstReport || waiting.Phase == api.TrialFinishing {
			wait += streamProblem
		}
	}
	switch {
	case all == 0: // Running has the message of Admitted, which says why nothing trains
		why := meta.FindStatusCondition(p.next.Conditions, api.ConditionAdmitted)
		p.setCondition(api.ConditionRunning, false, why.Reason, why.Message)
	case done == all && !p.final:
		p.setCondition(api.ConditionRunning, false, reasonReports, awaitingReports+streamProblem)
	case done == all:
		p.setCondition(api.ConditionRunning, false, "Ended", "all trials have ended")
	case training > 0:
		message := fmt.Sprintf("%d of %d trials train", training, all)
		if waiting != nil {
			message += "; " + wait
		}
		p.setCondition(api.ConditionRunning, true, "Training", message)
	default:
		p.setCondition(api.ConditionRunning, false, waiting.Reason, wait)
	}
}

// awaitingReports is the message of a run whose trials have all ended while the stream may hold more of their reports.
const awaitingReports = "all trials have ended; the run ends once every report that they sent has been read"

// Messages of the condition MetricsHealthy.
const (
	streamUnavailable = "%s; trials continue to train, and their reports arrive later"
	streamReplaced    = "the report stream of this run, created at %s, was replaced by a stream created at %s: " +
		"status keeps what the old reports said, and later reports are read from the new stream"
	catchingUp     = "the operator is reading the reports that the stream holds"
	reportsDropped = "the stream no longer holds all reports of this run: the stream was purged, " +
		"or the operator's --stream-max-age or --stream-max-bytes is too small; " +
		"status keeps what it has, and the next attempt of a trial sends the trial's reports again"
	trialsSilent = "pods run but send no reports: %s; `plumb logs` shows whether NATS refuses them, " +
		"and reports that wait in a pod arrive later"
	reportsMissing = "reports did not arrive: %s; if such a trial has another attempt, that attempt sends them again"
	reportsArrive  = "the operator has read every report that arrived, and none is missing"
)

// setMetricsHealthy sets the condition MetricsHealthy, which says whether all reports arrive. An event says when the
// reason changes.
func (p *planner) setMetricsHealthy() {
	was := meta.FindStatusCondition(p.next.Conditions, api.ConditionMetricsHealthy)
	setTo := func(ok bool, reason, message string) {
		if was != nil && was.Reason != reason || was == nil && !ok {
			p.addEvent(severityOf(ok), reason, "%s", message)
		}
		p.setCondition(api.ConditionMetricsHealthy, ok, reason, message)
	}
	var missing []string
	for _, t := range p.next.Trials {
		if t.Gaps > 0 {
			missing = append(missing, fmt.Sprintf("%d of %s", t.Gaps, t.Name))
		}
	}
	silent := p.silentTrials()
	switch {
	case !p.Stream.Connected:
		setTo(false, "StreamUnavailable", fmt.Sprintf(streamUnavailable, p.Stream.Problem))
	case p.next.Stream != nil && p.next.Stream.ID != p.Stream.ID:
		setTo(false, "StreamReplaced", fmt.Sprintf(streamReplaced, p.next.Stream.ID, p.Stream.ID))
	case !p.Stream.Current && was != nil:
		// The operator has restarted and reads the stream again: the condition does not change.
	case !p.Stream.Current:
		setTo(false, "CatchingUp", catchingUp)
	case !p.Reports.Whole && p.Run.Status.Stream != nil:
		setTo(false, "ReportsDropped", reportsDropped)
	case len(silent) > 0:
		setTo(false, "TrialsSilent", fmt.Sprintf(trialsSilent, strings.Join(silent, ", ")))
	case len(missing) > 0:
		setTo(false, "ReportsMissing", fmt.Sprintf(reportsMissing, strings.Join(missing, ", ")))
	default:
		setTo(true, "ReportsArrive", reportsArrive)
	}
}

// severityOf returns the severity of an event about success or failure.
func severityOf(ok bool) decision.Severity {
	if ok {
		return decision.Normal
	}
	return decision.Warning
}

func (p *planner) setCondition(kind string, ok bool, reason, message string) {
	decision.SetCondition(&p.next.Conditions, metav1.Condition{
		Type: kind, Status: decision.ConditionStatus(ok), Reason: reason, Message: message,
		ObservedGeneration: p.Run.Generation,
	}, p.Now)
}
