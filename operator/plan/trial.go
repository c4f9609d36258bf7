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

// A trial that waits is in one of three states: never started (attempt 0), between two attempts (nextAttemptTime is set), or
// decided (neither: the attempt's number is recorded and its Job is to be created, unless it is seen).
func waitsForPlace(t *api.TrialStatus) bool {
	return t.Phase == api.TrialWaiting && (t.Attempt == 0 || t.NextAttemptTime != nil)
}

// advance moves one trial on by what the cluster shows of its newest attempt.
func (p *planner) advance(t *api.TrialStatus) {
	p.account(t)
	switch {
	case t.Phase.Terminal():
	case t.Phase == api.TrialFinishing:
		p.finish(t)
	case t.Phase == api.TrialStopping:
		p.stopping(t)
	case waitsForPlace(t):
		if p.trained(t) { // its last word arrived although its pod was lost: there is nothing left to do
			p.succeed(t)
		}
	default:
		p.attend(t)
	}
}

// attend looks after the newest attempt, which has not been seen to end.
func (p *planner) attend(t *api.TrialStatus) {
	a := p.Cluster.Of(p.jobName(t, t.Attempt))
	if a.Job == nil {
		if t.Phase == api.TrialWaiting {
			p.create(t)
		} else {
			p.ended(t, attempt.Vanished("its Job was deleted", p.Now))
		}
		return
	}
	hadPod := t.Pod != ""
	if a.Pod != nil {
		t.Pod, t.Node = a.Pod.Name, a.Pod.Spec.NodeName
	}
	if e, ok := a.Ending(hadPod, p.nodeLoss()); ok {
		p.ended(t, e)
		return
	}
	p.live(t, a)
}

func (p *planner) nodeLoss() attempt.NodeLoss {
	seconds := ptr.Deref(p.Run.Spec.NodeLossSeconds, attempt.DefaultNodeLossSeconds)
	return attempt.NodeLoss{Seconds: seconds, Now: p.Now}
}

func (p *planner) jobName(t *api.TrialStatus, number int32) string {
	return attempt.JobName(p.Run.Name, t.Name, number)
}

// left names what is left of a trial's attempts; empty: nothing.
func (p *planner) left(t *api.TrialStatus) string {
	return p.Cluster.Remaining(ofTrial(t), p.nodeLoss())
}

func ofTrial(t *api.TrialStatus) func(labels map[string]string) bool {
	return func(labels map[string]string) bool { return labels[api.LabelTrial] == t.Name }
}

// live describes an attempt that has not ended.
func (p *planner) live(t *api.TrialStatus, a attempt.Observed) {
	stopping := a.Pod != nil && a.Pod.DeletionTimestamp != nil
	if stopping {
		p.again(p.nodeLoss().Left(a.Pod))
	}
	if !stopping && (t.Phase == api.TrialRunning || p.Reports.Trials[t.Name].Attempt >= int(t.Attempt)) {
		p.set(t, api.TrialRunning, "Training", p.Reports.Trials[t.Name].NotFinite)
		return
	}
	phase := api.TrialStarting
	if t.Phase == api.TrialRunning {
		phase = api.TrialRunning
	}
	w := a.Wait(attempt.Wait{Reason: t.Reason, Message: t.Message}, p.Cluster.Warnings)
	if w.InEvents() {
		p.again(2 * attempt.ExplainAfter) // the operator does not watch events
	}
	if w.Stuck && t.Reason != w.Reason {
		p.about(t, true, w.Reason, " waits: %s", w.Message)
	}
	p.set(t, phase, w.Reason, w.Message)
}

// ended records how an attempt ended, and with it whether there will be another.
func (p *planner) ended(t *api.TrialStatus, e attempt.Ending) {
	at := e.When(p.Now)
	if e.ExitCode != nil {
		t.ExitCode = e.ExitCode
	}
	p.close(t, record(t, t.Attempt), e.Class, e.ExitCode, at)
	if e.Class != wire.ClassSucceeded && p.trained(t) { // all its epochs are done and committed: what came after changes nothing
		t.CompletionTime = decision.Time(at)
		p.succeed(t)
		return
	}
	policy := ptr.Deref(p.Run.Spec.FailurePolicy, api.FailurePolicy{})
	retries, interruptions := ptr.Deref(policy.MaxRetries, attempt.DefaultMaxRetries), ptr.Deref(policy.MaxInterruptions, defaultMaxInterruptions)
	switch how := e.Class.Retry(); {
	case e.Class == wire.ClassSucceeded:
		p.set(t, api.TrialFinishing, reasonReports, "its pod ended well; its last report has not been read yet")
		t.CompletionTime = decision.Time(at)
		p.finish(t)
	case how == wire.RetryNever:
		p.fail(t, e, at, e.Sentence)
	case how == wire.RetryBudgeted && t.Retries >= retries:
		p.fail(t, e, at, fmt.Sprintf("%s (gave up %s)", e.Sentence, attempt.AfterRetries(t.Retries)))
	case how == wire.RetryFree && t.Interruptions >= interruptions:
		p.fail(t, e, at, fmt.Sprintf("%s (gave up after %d interruptions from outside)", e.Sentence, t.Interruptions))
	default:
		var wait time.Duration
		if how == wire.RetryBudgeted {
			t.Retries++
			wait = attempt.Backoff(t.Retries)
		} else {
			t.Interruptions++
			wait = attempt.Backoff(p.unheard(t))
		}
		t.NextAttemptTime = decision.Time(p.Now.Add(wait + time.Second - time.Nanosecond)) // rounded up
		t.CompletionTime = nil
		p.set(t, api.TrialWaiting, e.Reason(), fmt.Sprintf("attempt %d ended and will be followed by another: %s", t.Attempt, e.Sentence))
		p.retries = append(p.retries, e.Class)
		p.about(t, true, e.Reason(), ": %s", t.Message)
	}
}

// unheard counts the newest attempts that ended before they had told anything: a node that turns every pod away is asked less and less
// often, so that it does not use up what failurePolicy.maxInterruptions allows within minutes.
func (p *planner) unheard(t *api.TrialStatus) (n int32) {
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
	p.set(t, api.TrialFailed, e.Reason(), message)
	p.about(t, true, e.Reason(), " failed: %s", message)
}

// finish waits for the report that the pod promised by ending well. Once the stream has been read to its end it is there, or
// it was lost: a pod ends with 0 only after the stream has acknowledged it.
func (p *planner) finish(t *api.TrialStatus) {
	switch {
	case p.trained(t):
		p.succeed(t)
	case p.Stream.Current && p.Reports.Drained:
		if a := record(t, t.Attempt); a != nil {
			a.Class = string(wire.ClassReports) // its pod's end, which was recorded, could not tell
		}
		p.ended(t, attempt.Ending{Class: wire.ClassReports, Sentence: "its pod ended with exit code 0, but the report that it finished is not in the stream: the stream lost it, or image " + p.Run.Spec.Template.Image + " is no Plumbline trainer"})
	default:
		p.again(drainEvery)
	}
}

// trained says whether the trial has told that all its epochs are done. It tells so after its checkpoints are committed.
func (p *planner) trained(t *api.TrialStatus) bool {
	return p.Stream.Current && p.Reports.Trials[t.Name].Finished
}

func (p *planner) succeed(t *api.TrialStatus) {
	t.NextAttemptTime = nil
	if t.CompletionTime == nil {
		t.CompletionTime = p.now()
	}
	p.set(t, api.TrialSucceeded, "Finished", "")
	p.about(t, false, "TrialSucceeded", " has trained all its epochs")
}

// holdsPlace says whether a trial has a pod or is to get one. A pod that saves itself keeps its place until it has ended.
func (p *planner) holdsPlace(t *api.TrialStatus) bool {
	return !t.Phase.Terminal() && t.Phase != api.TrialFinishing && (!waitsForPlace(t) || p.left(t) != "")
}

// start gives free places to trials that wait, in the order of spec.depths.
func (p *planner) start() {
	if p.suspended() {
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
			p.again(t.NextAttemptTime.Sub(p.Now))
			continue
		}
		if left := p.left(t); left != "" {
			p.awaitEnd(t)
			p.set(t, t.Phase, "AwaitingEnd", "waits for the end of "+left+": a trial never has two pods at once")
			continue
		}
		if places <= 0 {
			p.set(t, t.Phase, "Queued", fmt.Sprintf("waits for a place: spec.parallelism is %d", ptr.Deref(p.Run.Spec.Parallelism, 0)))
			continue
		}
		places--
		t.Attempt++
		t.NextAttemptTime = nil
		if t.StartTime == nil {
			t.StartTime = p.now()
		}
		t.Pod, t.Node = "", ""
		p.set(t, api.TrialWaiting, "Creating", fmt.Sprintf("Job %s is being created", p.jobName(t, t.Attempt)))
		p.about(t, false, "AttemptStarted", ": attempt %d starts", t.Attempt)
		p.create(t)
	}
}

// awaitEnd has the plan made again when a trial's pods that linger may be given up.
func (p *planner) awaitEnd(t *api.TrialStatus) {
	for _, left := range p.Cluster.UntilLost(ofTrial(t), p.nodeLoss()) {
		p.again(left)
	}
}

func (p *planner) create(t *api.TrialStatus) {
	job, err := trialJob(p.Run, t.Depth, t.Attempt, p.Settings)
	if err != nil { // it resolved when the run was admitted, and spec cannot change
		p.set(t, t.Phase, "InvalidSettings", err.Error())
		return
	}
	why := p.Cluster.Warnings[job.Name]
	if slices.Contains(p.Cluster.Invalid, job.Name) {
		p.fail(t, attempt.Ending{Class: wire.ClassSettings}, p.Now, why)
		return
	}
	if why != "" {
		p.set(t, t.Phase, "JobRefused", why)
	}
	p.actions = append(p.actions, decision.Action{Create: job, Reason: fmt.Sprintf("%s needs attempt %d", t.Name, t.Attempt)})
}

func (p *planner) set(t *api.TrialStatus, phase api.TrialPhase, reason, message string) {
	t.Phase, t.Reason, t.Message = phase, reason, plaintext.Cut(message, maxMessage)
}
