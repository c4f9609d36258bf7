package plan

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
)

// Reasons why a trial was stopped early.
const (
	reasonByUser   = "StoppedByUser"
	reasonCohort   = "BehindOthers"
	reasonDeadline = "DeadlineExceeded"
	reasonFailing  = "TooManyFailedTrials"
)

// Messages of trials that must not train. Each also completes the sentence "trial d50 is stopped: ...".
const (
	deadlineReached = "the run was active for %d s, the limit that spec.activeDeadlineSeconds sets"
	tooManyFailed   = "%d of %d trials failed, and failurePolicy allows %d"
	stoppedByUser   = "spec.stopTrials names it"
	suspendIsTrue   = "spec.suspend is true"
)

// suspending returns the message of a run or trial that is suspended once the remaining pod or Job has ended.
func suspending(remaining string) string {
	return suspendIsTrue + ": waiting for the end of " + remaining + "; the trainer writes a checkpoint first"
}

// stopAndPause stops or pauses the trials that must not continue to train. It only sets their phases.
// deleteLeftoverJobs then deletes their Jobs, and a trial ends once its pod has written a checkpoint and is gone.
func (p *planner) stopAndPause() {
	failed, allowed := p.countPhase(api.TrialFailed), p.allowedFailures()
	switch {
	case p.deadlineExceeded():
		p.stopAll(reasonDeadline, fmt.Sprintf(deadlineReached, *p.Run.Spec.ActiveDeadlineSeconds))
	case failed > allowed && !p.allEnded():
		p.stopAll(reasonFailing, fmt.Sprintf(tooManyFailed, failed, len(p.next.Trials), allowed))
	}
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if slices.Contains(p.Run.Spec.StopTrials, api.TrialName(t.Name)) {
			p.stop(t, reasonByUser, stoppedByUser)
		}
	}
	p.compareCohort()
	if p.suspendRequested() {
		for i := range p.next.Trials {
			p.pause(&p.next.Trials[i])
		}
	}
	p.countActiveTime()
}

// suspendRequested reports whether the run shall be suspended.
func (p *planner) suspendRequested() bool { return ptr.Deref(p.Run.Spec.Suspend, false) }

// countPhase returns how many trials are in a phase.
func (p *planner) countPhase(phase api.TrialPhase) (n int) {
	for _, t := range p.next.Trials {
		if t.Phase == phase {
			n++
		}
	}
	return n
}

// allowedFailures returns how many trials may fail: failurePolicy.maxFailedTrials, or all but minSucceededTrials.
func (p *planner) allowedFailures() int {
	f := ptr.Deref(p.Run.Spec.FailurePolicy, api.FailurePolicy{})
	allButRequired := max(0, int32(len(p.next.Trials))-ptr.Deref(f.MinSucceededTrials, 1))
	return int(ptr.Deref(f.MaxFailedTrials, allButRequired))
}

// deadlineExceeded reports whether the run has been active for spec.activeDeadlineSeconds. Before, it schedules a plan
// for the deadline.
func (p *planner) deadlineExceeded() bool {
	limit := p.Run.Spec.ActiveDeadlineSeconds
	if limit == nil || p.allEnded() {
		return false
	}
	left := time.Duration(*limit)*time.Second - p.activeTime()
	if left > 0 && p.next.ActiveSince != nil {
		p.planAgainIn(left)
	}
	return left <= 0
}

// activeTime returns how long the run has been active: since its start, without the time in which it was suspended.
func (p *planner) activeTime() time.Duration {
	d := time.Duration(p.next.ActiveSeconds) * time.Second
	if since := p.next.ActiveSince; since != nil {
		d += p.Now.Sub(since.Time)
	}
	return d
}

// countActiveTime starts the count of active time, or stops it when the run is suspended or all trials have ended.
func (p *planner) countActiveTime() {
	active := !p.suspendRequested() && !p.allEnded()
	switch {
	case active && p.next.ActiveSince == nil:
		p.next.ActiveSince = p.timestamp()
	case !active && p.next.ActiveSince != nil:
		p.next.ActiveSeconds += int64(p.timestamp().Sub(p.next.ActiveSince.Time) / time.Second)
		p.next.ActiveSince = nil
	}
}

// stopAll stops every trial that has not ended.
func (p *planner) stopAll(reason, message string) {
	for i := range p.next.Trials {
		p.stop(&p.next.Trials[i], reason, message)
	}
}

// stop ends a trial early, for good. A trial whose pod has ended with exit code 0 may still finish.
func (p *planner) stop(t *api.TrialStatus, reason, message string) {
	if t.Phase.Terminal() || t.Phase == api.TrialFinishing || t.Phase == api.TrialStopping {
		return
	}
	t.NextAttemptTime = nil
	p.setPhase(t, api.TrialStopping, reason, message)
	p.addTrialEvent(t, decision.Normal, reason, " is stopped: %s", message)
}

// awaitStop waits for the end of the trial's pod, which writes a checkpoint first.
func (p *planner) awaitStop(t *api.TrialStatus) {
	switch {
	case p.reportedFinished(t):
		p.succeed(t)
	case p.remaining(t) != "":
		p.planAtNodeLoss(t)
	default:
		t.CompletionTime = p.timestamp()
		t.Phase = api.TrialStopped
	}
}

// pause keeps a trial from having a pod until the run is resumed. It spends no retry.
func (p *planner) pause(t *api.TrialStatus) {
	if t.Phase.Terminal() || t.Phase == api.TrialFinishing || t.Phase == api.TrialStopping {
		return
	}
	if !waitsForPlace(t) {
		t.NextAttemptTime = p.timestamp()
	}
	if remaining := p.remaining(t); remaining != "" {
		p.setPhase(t, api.TrialWaiting, "Suspending", suspending(remaining))
		return
	}
	p.setPhase(t, api.TrialWaiting, "Suspended", suspendIsTrue)
}

// deleteLeftoverJobs deletes the Jobs that have or could create a pod although no trial needs them. That is so when the
// run is suspended, the trial was stopped, the attempt's node was lost or Kueue suspended the Job. A Job whose pod has
// ended stays, so that its log can be read.
func (p *planner) deleteLeftoverJobs() {
	needed := map[string]bool{}
	for _, t := range p.next.Trials {
		switch t.Phase {
		case api.TrialStarting, api.TrialRunning, api.TrialFinishing:
			needed[p.jobName(&t, t.Attempt)] = true
		case api.TrialWaiting:
			if !waitsForPlace(&t) {
				needed[p.jobName(&t, t.Attempt)] = true
			}
		}
	}
	for _, j := range p.Cluster.Jobs {
		_, ended := attempt.JobEnded(j)
		if pod := p.Cluster.PodOf(j); pod != nil && attempt.PodEnded(pod) && !attempt.JobSuspended(j) {
			ended = true // the Job creates no other pod, and its status will soon say that it ended
		}
		if !ended && !needed[j.Name] && j.DeletionTimestamp == nil {
			p.actions = append(p.actions, decision.Action{Delete: j, Reason: p.whyNotNeeded(j)})
		}
	}
}

// whyNotNeeded says why no trial needs a Job.
func (p *planner) whyNotNeeded(j *batchv1.Job) string {
	for _, t := range p.next.Trials {
		if t.Name == j.Labels[api.LabelTrial] {
			return fmt.Sprintf("trial %s is %s (%s) and does not need the Job", t.Name, t.Phase, t.Reason)
		}
	}
	return "no trial of this run needs the Job"
}
