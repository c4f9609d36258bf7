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
	// reasonReports is the reason of a trial that ended well, and of a run whose trials have all ended.
	reasonReports = "AwaitingReports"

	defaultMaxInterruptions = 100

	// drainEvery is how often the stream's end is asked for again while a run waits to have read it.
	drainEvery = 2 * time.Second

	maxMessage = 2048 // characters in a trial's message, as the CRD has it
)

// A trial that waits is in one of three states: never started (attempt 0), between two attempts (nextAttemptTime is
// set), or decided (neither: the attempt's number is recorded and its Job is to be created, unless it is seen).
func waitsForPlace(t *api.TrialStatus) bool {
	return t.Phase == api.TrialWaiting && (t.Attempt == 0 || t.NextAttemptTime != nil)
}

// advance moves one trial on by what the cluster shows of its newest attempt.
func (p *planner) advance(t *api.TrialStatus) {
	p.recordAttempts(t)
	switch {
	case t.Phase.Terminal():
	case t.Phase == api.TrialFinishing:
		p.awaitLastReport(t)
	case t.Phase == api.TrialStopping:
		p.awaitStop(t)
	case waitsForPlace(t):
		if p.reportedFinished(t) { // its last word arrived although its pod was lost: there is nothing left to do
			p.succeed(t)
		}
	default:
		p.followAttempt(t)
	}
}

// followAttempt creates the Job of the newest attempt if there is none, and otherwise records how the attempt is or how it
// ended.
func (p *planner) followAttempt(t *api.TrialStatus) {
	a := p.Cluster.Of(p.jobName(t, t.Attempt))
	if a.Job == nil {
		if t.Phase == api.TrialWaiting {
			p.createJob(t)
		} else {
			p.endAttempt(t, attempt.Vanished("its Job was deleted", p.Now))
		}
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
	return attempt.JobName(p.Run.Name, t.Name, number)
}

// remainingPod names a pod of a trial that has not ended, or a Job that could still make one; empty: none.
func (p *planner) remainingPod(t *api.TrialStatus) string {
	return p.Cluster.Remaining(ofTrial(t), p.nodeLoss())
}

func ofTrial(t *api.TrialStatus) func(labels map[string]string) bool {
	return func(labels map[string]string) bool { return labels[api.LabelTrial] == t.Name }
}

// updatePhase sets phase and reason of a trial whose attempt has not ended.
func (p *planner) updatePhase(t *api.TrialStatus, a attempt.Observed) {
	stopping := a.Pod != nil && a.Pod.DeletionTimestamp != nil
	if stopping {
		p.planAgainIn(p.nodeLoss().TimeLeft(a.Pod))
	}
	if !stopping && (t.Phase == api.TrialRunning || p.Reports.Trials[t.Name].Attempt >= int(t.Attempt)) {
		p.setPhase(t, api.TrialRunning, "Training", p.Reports.Trials[t.Name].NotFinite)
		return
	}
	phase := api.TrialStarting
	if t.Phase == api.TrialRunning {
		phase = api.TrialRunning
	}
	w := a.Wait(attempt.Wait{Reason: t.Reason, Message: t.Message}, p.Cluster.Warnings)
	if w.InEvents() {
		p.planAgainIn(2 * attempt.ExplainAfter) // the operator does not watch events
	}
	if w.Stuck && t.Reason != w.Reason {
		p.addTrialEvent(t, decision.Warning, w.Reason, " waits: %s", w.Message)
	}
	p.setPhase(t, phase, w.Reason, w.Message)
}

// endAttempt records how an attempt ended, and with it whether there will be another.
func (p *planner) endAttempt(t *api.TrialStatus, e attempt.Ending) {
	at := e.When(p.Now)
	if e.ExitCode != nil {
		t.ExitCode = e.ExitCode
	}
	p.recordEnd(t, attemptRecord(t, t.Attempt), e.Class, e.ExitCode, at)
	if e.Class != wire.ClassSucceeded && p.reportedFinished(t) { // all its epochs are done and committed: what came after changes nothing
		t.CompletionTime = decision.Time(at)
		p.succeed(t)
		return
	}
	policy := ptr.Deref(p.Run.Spec.FailurePolicy, api.FailurePolicy{})
	maxRetries := ptr.Deref(policy.MaxRetries, attempt.DefaultMaxRetries)
	maxInterruptions := ptr.Deref(policy.MaxInterruptions, defaultMaxInterruptions)
	switch how := e.Class.Retry(); {
	case e.Class == wire.ClassSucceeded:
		p.setPhase(t, api.TrialFinishing, reasonReports, "its pod ended well; its last report has not been read yet")
		t.CompletionTime = decision.Time(at)
		p.awaitLastReport(t)
	case how == wire.RetryNever:
		p.fail(t, e, at, e.Sentence)
	case how == wire.RetryBudgeted && t.Retries >= maxRetries:
		p.fail(t, e, at, fmt.Sprintf("%s (no retries left: failurePolicy.maxRetries is %d)", e.Sentence, maxRetries))
	case how == wire.RetryFree && t.Interruptions >= maxInterruptions:
		const tooOften = "%s (interrupted too often: failurePolicy.maxInterruptions is %d)"
		p.fail(t, e, at, fmt.Sprintf(tooOften, e.Sentence, maxInterruptions))
	default:
		var wait time.Duration
		if how == wire.RetryBudgeted {
			t.Retries++
			wait = attempt.Backoff(t.Retries)
		} else {
			t.Interruptions++
			wait = attempt.Backoff(p.attemptsWithoutReport(t))
		}
		t.NextAttemptTime = decision.Time(p.Now.Add(wait + time.Second - time.Nanosecond)) // rounded up
		t.CompletionTime = nil
		p.setPhase(t, api.TrialWaiting, e.Reason(), fmt.Sprintf("attempt %d ended and will be retried: %s", t.Attempt, e.Sentence))
		p.retries = append(p.retries, e.Class)
		p.addTrialEvent(t, decision.Warning, e.Reason(), ": %s", t.Message)
	}
}

// attemptsWithoutReport counts the newest attempts that ended before they reported anything. The wait before the next
// attempt grows with their number, so that a node that turns every pod away does not use up
// failurePolicy.maxInterruptions within minutes.
func (p *planner) attemptsWithoutReport(t *api.TrialStatus) (n int32) {
	for _, a := range slices.Backward(t.Attempts) {
		if a.FromEpoch != nil {
			break
		}
		n++
	}
	return n
}

func (p *planner) fail(t *api.TrialStatus, e attempt.Ending, at time.Time, message string) {
	t.CompletionTime = decision.Time(at)
	p.setPhase(t, api.TrialFailed, e.Reason(), message)
	p.addTrialEvent(t, decision.Warning, e.Reason(), " failed: %s", message)
}

// awaitLastReport waits for the report that the pod promised by ending well. Once the stream has been read to its end
// it is there, or it was lost: a pod ends with 0 only after the stream has acknowledged it.
func (p *planner) awaitLastReport(t *api.TrialStatus) {
	switch {
	case p.reportedFinished(t):
		p.succeed(t)
	case p.Stream.Current && p.Reports.Drained:
		if a := attemptRecord(t, t.Attempt); a != nil {
			a.Class = string(wire.ClassReports) // its pod's end, which was recorded, could not tell
		}
		p.endAttempt(t, attempt.Ending{Class: wire.ClassReports, Sentence: "its pod ended with exit code 0, but the report that it finished is not in the stream: the stream lost it, or image " + p.Run.Spec.Template.Image + " is no Plumbline trainer"})
	default:
		p.planAgainIn(drainEvery)
	}
}

// reportedFinished reports whether the trial has reported that all its epochs are done. It does so after its
// checkpoints are committed.
func (p *planner) reportedFinished(t *api.TrialStatus) bool {
	return p.Stream.Current && p.Reports.Trials[t.Name].Finished
}

func (p *planner) succeed(t *api.TrialStatus) {
	t.NextAttemptTime = nil
	if t.CompletionTime == nil {
		t.CompletionTime = p.now()
	}
	p.setPhase(t, api.TrialSucceeded, "Finished", "")
	p.addTrialEvent(t, decision.Normal, "TrialSucceeded", " has trained all its epochs")
}

// holdsPlace says whether a trial has a pod or is to get one. A pod that saves itself keeps its place until it has
// ended.
func (p *planner) holdsPlace(t *api.TrialStatus) bool {
	return !t.Phase.Terminal() && t.Phase != api.TrialFinishing && (!waitsForPlace(t) || p.remainingPod(t) != "")
}

// startAttempts gives free places to trials that wait, in the order of spec.depths.
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
		if pod := p.remainingPod(t); pod != "" {
			p.planAtNodeLoss(t)
			p.setPhase(t, t.Phase, "AwaitingEnd", "waits for the end of "+pod+": a trial never has two pods at once")
			continue
		}
		if places <= 0 {
			p.setPhase(t, t.Phase, "Queued", fmt.Sprintf("waits for a place: spec.parallelism is %d", ptr.Deref(p.Run.Spec.Parallelism, 0)))
			continue
		}
		places--
		t.Attempt++
		t.NextAttemptTime = nil
		if t.StartTime == nil {
			t.StartTime = p.now()
		}
		t.Pod, t.Node = "", ""
		p.setPhase(t, api.TrialWaiting, "Creating", fmt.Sprintf("Job %s is being created", p.jobName(t, t.Attempt)))
		p.addTrialEvent(t, decision.Normal, "AttemptStarted", ": attempt %d starts", t.Attempt)
		p.createJob(t)
	}
}

// planAtNodeLoss schedules the next plan for the moment when a terminating pod of the trial counts as lost.
func (p *planner) planAtNodeLoss(t *api.TrialStatus) {
	for _, d := range p.Cluster.UntilLost(ofTrial(t), p.nodeLoss()) {
		p.planAgainIn(d)
	}
}

func (p *planner) createJob(t *api.TrialStatus) {
	job, err := trialJob(p.Run, t.Depth, t.Attempt, p.Settings)
	if err != nil { // it resolved when the run was admitted, and spec cannot change
		p.setPhase(t, t.Phase, "InvalidSettings", err.Error())
		return
	}
	why := p.Cluster.Warnings[job.Name]
	if slices.Contains(p.Cluster.Invalid, job.Name) {
		p.fail(t, attempt.Ending{Class: wire.ClassSettings}, p.Now, why)
		return
	}
	if why != "" {
		p.setPhase(t, t.Phase, "JobRefused", why)
	}
	p.actions = append(p.actions, decision.Action{Create: job, Reason: fmt.Sprintf("%s needs attempt %d", t.Name, t.Attempt)})
}

func (p *planner) setPhase(t *api.TrialStatus, phase api.TrialPhase, reason, message string) {
	t.Phase, t.Reason, t.Message = phase, reason, plaintext.Cut(message, maxMessage)
}
