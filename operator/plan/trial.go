package plan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/plaintext"
	"plumbline.dev/plumbline/wire"
)

const (
	// reasonReports is the reason of a trial whose pod ended with exit code 0, and of a run whose trials have all
	// ended, while their last reports have not been read.
	reasonReports = "AwaitingReports"

	defaultMaxInterruptions = 100

	// drainEvery is how often a run is planned again while it waits until the stream has been read to its end.
	drainEvery = 2 * time.Second

	// maxTrialMessage is how many characters a trial's message may have; the CRD has the same bound.
	maxTrialMessage = 2048
)

// waitsForPlace reports whether a trial waits until it may start its next attempt. A trial in the phase Waiting is in
// one of three states. It has never started: attempt is 0. It is between two attempts: nextAttemptTime is set. Or its
// attempt has been decided: the attempt's number is recorded, and the attempt's Job is created unless the Job is
// observed. A trial in the last state has a place already.
func waitsForPlace(t *api.TrialStatus) bool {
	return t.Phase == api.TrialWaiting && (t.Attempt == 0 || t.NextAttemptTime != nil)
}

// advance updates one trial from what was observed and reported of its newest attempt.
func (p *planner) advance(t *api.TrialStatus) {
	p.recordAttempts(t)
	switch {
	case t.Phase.Terminal():
	case t.Phase == api.TrialFinishing:
		p.awaitLastReport(t)
	case t.Phase == api.TrialStopping:
		p.awaitStop(t)
	case waitsForPlace(t):
		if p.reportedFinished(t) { // its last report arrived although its pod was lost: no other attempt is needed
			p.succeed(t)
		}
	default:
		p.followAttempt(t)
	}
}

// followAttempt creates the Job of the newest attempt if the Job does not exist yet. Otherwise it records what the
// attempt waits for or how it ended.
func (p *planner) followAttempt(t *api.TrialStatus) {
	a := p.Cluster.Of(p.jobName(t, t.Attempt))
	if a.Job == nil && t.Phase == api.TrialWaiting {
		p.createJob(t)
		return
	}
	if a.Job == nil {
		p.endAttempt(t, attempt.Vanished("its Job was deleted", p.Now))
		return
	}
	hadPod := t.Pod != ""
	if a.Pod != nil {
		t.Pod, t.Node = a.Pod.Name, a.Pod.Spec.NodeName
	}
	if e, ok := a.Ending(hadPod, p.nodeLoss()); ok {
		p.endAttempt(t, e)
		return
	}
	p.updatePhase(t, a)
}

func (p *planner) nodeLoss() attempt.NodeLoss {
	seconds := ptr.Deref(p.Run.Spec.NodeLossSeconds, attempt.DefaultNodeLossSeconds)
	return attempt.NodeLoss{Seconds: seconds, Now: p.Now}
}

func (p *planner) jobName(t *api.TrialStatus, number int32) string {
	return JobName(p.Run.Name, t.Name, number)
}

// remaining returns the kind and name of a trial's pod that has not ended, or of a Job that could still create a pod,
// or "".
func (p *planner) remaining(t *api.TrialStatus) string {
	return p.Cluster.Remaining(ofTrial(t), p.nodeLoss())
}

// ofTrial returns a function that matches the labels of a trial's pods and Jobs.
func ofTrial(t *api.TrialStatus) func(labels map[string]string) bool {
	return func(labels map[string]string) bool { return labels[api.LabelTrial] == t.Name }
}

// updatePhase sets the phase and the reason of a trial whose attempt has not ended.
func (p *planner) updatePhase(t *api.TrialStatus, a attempt.Observed) {
	stopping := a.Pod != nil && a.Pod.DeletionTimestamp != nil
	if stopping {
		p.planAgainIn(p.nodeLoss().TimeLeft(a.Pod))
	}
	r := p.Reports.Trials[t.Name]
	if !stopping && (t.Phase == api.TrialRunning || r.Attempt >= int(t.Attempt)) {
		p.setPhase(t, api.TrialRunning, "Training", r.NotFinite)
		return
	}
	phase := api.TrialStarting
	if t.Phase == api.TrialRunning {
		phase = api.TrialRunning
	}
	w := a.Wait(attempt.Wait{Reason: t.Reason, Message: t.Message}, p.Cluster.Warnings)
	if w.InEvents() {
		p.planAgainIn(2 * attempt.ExplainAfter) // the operator does not watch events, so it looks again
	}
	if w.Stuck && t.Reason != w.Reason {
		p.addTrialEvent(t, decision.Warning, w.Reason, " waits: %s", w.Message)
	}
	p.setPhase(t, phase, w.Reason, w.Message)
}

// endAttempt records how an attempt ended, and decides whether the trial succeeds, fails or is retried.
func (p *planner) endAttempt(t *api.TrialStatus, e attempt.Ending) {
	at := e.When(p.Now)
	if e.ExitCode != nil {
		t.ExitCode = e.ExitCode
	}
	p.recordEnd(t, attemptRecord(t, t.Attempt), e.Class, e.ExitCode, at)
	if e.Class != wire.ClassSucceeded && p.reportedFinished(t) {
		// The training is finished and its checkpoints are committed, so a later failure of the pod does not matter.
		t.CompletionTime = decision.Time(at)
		p.succeed(t)
		return
	}
	policy := ptr.Deref(p.Run.Spec.FailurePolicy, api.FailurePolicy{})
	maxRetries := ptr.Deref(policy.MaxRetries, attempt.DefaultMaxRetries)
	maxInterruptions := ptr.Deref(policy.MaxInterruptions, defaultMaxInterruptions)
	switch how := e.Class.Retry(); {
	case e.Class == wire.ClassSucceeded:
		p.setPhase(t, api.TrialFinishing, reasonReports, lastReportNotRead)
		t.CompletionTime = decision.Time(at)
		p.awaitLastReport(t)
	case how == wire.RetryNever:
		p.fail(t, e, at, e.Sentence)
	case how == wire.RetryBudgeted && t.Retries >= maxRetries:
		p.fail(t, e, at, fmt.Sprintf(noRetriesLeft, e.Sentence, maxRetries))
	case how == wire.RetryFree && t.Interruptions >= maxInterruptions:
		p.fail(t, e, at, fmt.Sprintf(interruptedTooOften, e.Sentence, maxInterruptions))
	default:
		p.retry(t, e)
	}
}

// Messages of a trial whose attempt ended. The first %s is the attempt's own sentence.
const (
	lastReportNotRead   = "its pod ended with exit code 0; its last report has not been read yet"
	noRetriesLeft       = "%s (no retries left: failurePolicy.maxRetries is %d)"
	interruptedTooOften = "%s (interrupted too often: failurePolicy.maxInterruptions is %d)"
	lastReportLost      = "its pod ended with exit code 0, but the stream does not hold the report that the training " +
		"is finished: either the stream lost the report, or image %s is not a Plumbline trainer"
)

// retry lets a trial wait for its next attempt. An interruption from outside spends no retry.
func (p *planner) retry(t *api.TrialStatus, e attempt.Ending) {
	var wait time.Duration
	if e.Class.Retry() == wire.RetryBudgeted {
		t.Retries++
		wait = attempt.Backoff(t.Retries)
	} else {
		t.Interruptions++
		wait = attempt.Backoff(p.attemptsWithoutReport(t))
	}
	t.NextAttemptTime = decision.Time(p.Now.Add(wait + time.Second - time.Nanosecond)) // rounded up
	t.CompletionTime = nil
	p.setPhase(t, api.TrialWaiting, e.Reason(), e.RetryMessage(t.Attempt))
	p.retries = append(p.retries, e.Class)
	p.addTrialEvent(t, decision.Warning, e.Reason(), ": %s", t.Message)
}

// attemptsWithoutReport returns how many of the newest attempts, one after the other, ended before they reported
// anything. The wait before the next attempt grows with their number, so that a node that rejects every pod does not
// use up failurePolicy.maxInterruptions within minutes.
func (p *planner) attemptsWithoutReport(t *api.TrialStatus) (n int32) {
	for _, a := range slices.Backward(t.Attempts) {
		if a.FromEpoch != nil {
			break
		}
		n++
	}
	return n
}

// fail ends a trial that is not retried.
func (p *planner) fail(t *api.TrialStatus, e attempt.Ending, at time.Time, message string) {
	t.CompletionTime = decision.Time(at)
	p.setPhase(t, api.TrialFailed, e.Reason(), message)
	p.addTrialEvent(t, decision.Warning, e.Reason(), " failed: %s", message)
}

// awaitLastReport waits until the operator has read the trial's report that its training is finished. A pod ends with
// exit code 0 only after the stream has acknowledged that report. So if the report is missing once the stream has been
// read to its end, the stream lost it.
func (p *planner) awaitLastReport(t *api.TrialStatus) {
	switch {
	case p.reportedFinished(t):
		p.succeed(t)
	case p.Stream.Current && p.Reports.Drained:
		if a := attemptRecord(t, t.Attempt); a != nil {
			a.Class = string(wire.ClassReports) // replaces the class that was recorded at the pod's end
		}
		sentence := fmt.Sprintf(lastReportLost, p.Run.Spec.Template.Image)
		p.endAttempt(t, attempt.Ending{Class: wire.ClassReports, Sentence: sentence})
	default:
		p.planAgainIn(drainEvery)
	}
}

// reportedFinished reports whether the trial has sent the report that its training is finished. A trial sends that
// report after its checkpoints are committed.
func (p *planner) reportedFinished(t *api.TrialStatus) bool {
	return p.Stream.Current && p.Reports.Trials[t.Name].Finished
}

// succeed ends a trial that has finished its training.
func (p *planner) succeed(t *api.TrialStatus) {
	t.NextAttemptTime = nil
	if t.CompletionTime == nil {
		t.CompletionTime = p.timestamp()
	}
	p.setPhase(t, api.TrialSucceeded, "Finished", "")
	p.addTrialEvent(t, decision.Normal, "TrialSucceeded", " has finished its training")
}

// holdsPlace reports whether a trial has a pod or is about to get one. A pod that is being stopped keeps its place
// until it has ended, because it still writes a checkpoint.
func (p *planner) holdsPlace(t *api.TrialStatus) bool {
	return !t.Phase.Terminal() && t.Phase != api.TrialFinishing && (!waitsForPlace(t) || p.remaining(t) != "")
}

// startAttempts starts the next attempts of trials that wait, in the order of spec.depths, while places are free.
func (p *planner) startAttempts() {
	if p.suspendRequested() {
		return
	}
	places := int(ptr.Deref(p.Run.Spec.Parallelism, int32(len(p.next.Trials))))
	for _, t := range p.next.Trials {
		if p.holdsPlace(&t) {
			places--
		}
	}
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if !waitsForPlace(t) {
			continue
		}
		if t.NextAttemptTime != nil && p.Now.Before(t.NextAttemptTime.Time) {
			p.planAgainIn(t.NextAttemptTime.Sub(p.Now))
			continue
		}
		if remaining := p.remaining(t); remaining != "" {
			p.planAtNodeLoss(t)
			p.setPhase(t, t.Phase, "AwaitingEnd", fmt.Sprintf(awaitingEnd, remaining))
			continue
		}
		if places <= 0 {
			message := fmt.Sprintf("waits for a place: spec.parallelism is %d", ptr.Deref(p.Run.Spec.Parallelism, 0))
			p.setPhase(t, t.Phase, "Queued", message)
			continue
		}
		places--
		p.startAttempt(t)
	}
}

// awaitingEnd is the message of a trial whose next attempt waits for the end of a pod or Job.
const awaitingEnd = "waits for the end of %s: a trial never has two pods at once"

// startAttempt decides a trial's next attempt and creates its Job.
func (p *planner) startAttempt(t *api.TrialStatus) {
	t.Attempt++
	t.NextAttemptTime = nil
	if t.StartTime == nil {
		t.StartTime = p.timestamp()
	}
	t.Pod, t.Node = "", ""
	p.setPhase(t, api.TrialWaiting, "Creating", fmt.Sprintf("Job %s is being created", p.jobName(t, t.Attempt)))
	p.addTrialEvent(t, decision.Normal, "AttemptStarted", ": attempt %d starts", t.Attempt)
	p.createJob(t)
}

// planAtNodeLoss schedules the next plan for the moment when a terminating pod of the trial counts as lost.
func (p *planner) planAtNodeLoss(t *api.TrialStatus) {
	for _, d := range p.Cluster.UntilLost(ofTrial(t), p.nodeLoss()) {
		p.planAgainIn(d)
	}
}

// createJob creates the Job of a trial's newest attempt. A Job that the API server can never accept ends the trial.
func (p *planner) createJob(t *api.TrialStatus) {
	job, err := trialJob(p.Run, t.Depth, t.Attempt, p.Installation)
	if err != nil { // unlikely: the settings were valid when the run was admitted, and they are immutable
		p.setPhase(t, t.Phase, "InvalidSettings", err.Error())
		return
	}
	refusal := p.Cluster.Warnings[job.Name]
	if slices.Contains(p.Cluster.Invalid, job.Name) {
		p.fail(t, attempt.Ending{Class: wire.ClassSettings}, p.Now, refusal)
		return
	}
	if refusal != "" {
		p.setPhase(t, t.Phase, "JobRefused", refusal)
	}
	p.actions = append(p.actions, decision.Action{
		Create: job,
		Reason: fmt.Sprintf("%s needs attempt %d", t.Name, t.Attempt),
	})
}

// setPhase sets a trial's phase, reason and message. The message is cleaned and shortened.
func (p *planner) setPhase(t *api.TrialStatus, phase api.TrialPhase, reason, message string) {
	t.Phase, t.Reason, t.Message = phase, reason, plaintext.Cut(message, maxTrialMessage)
}
