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

// Why a trial was stopped early.
const (
	reasonByUser   = "StoppedByUser"
	reasonCohort   = "BehindOthers"
	reasonDeadline = "DeadlineExceeded"
	reasonFailing  = "TooManyFailedTrials"
)

// stopAndPause stops or pauses the trials that must not train any longer. It only sets their phases: deleteLeftoverJobs
// deletes the Jobs of trials that must not have one, and a trial ends once its pod has saved itself and is gone.
func (p *planner) stopAndPause() {
	switch {
	case p.deadlineExceeded():
		p.stopAll(reasonDeadline, fmt.Sprintf("the run was active for %d s, which is spec.activeDeadlineSeconds", *p.Run.Spec.ActiveDeadlineSeconds))
	case p.countPhase(api.TrialFailed) > p.allowedFailures() && !p.allEnded():
		p.stopAll(reasonFailing, fmt.Sprintf("%d failed, and failurePolicy allows %d", p.countPhase(api.TrialFailed), p.allowedFailures()))
	}
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if slices.Contains(p.Run.Spec.StopTrials, api.TrialName(t.Name)) {
			p.stop(t, reasonByUser, "spec.stopTrials names it")
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

func (p *planner) suspendRequested() bool { return ptr.Deref(p.Run.Spec.Suspend, false) }

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
	return int(ptr.Deref(f.MaxFailedTrials, max(0, int32(len(p.next.Trials))-ptr.Deref(f.MinSucceededTrials, 1))))
}

// deadlineExceeded reports whether the run has been active for spec.activeDeadlineSeconds.
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

// activeTime returns for how long the run has not been suspended.
func (p *planner) activeTime() time.Duration {
	d := time.Duration(p.next.ActiveSeconds) * time.Second
	if since := p.next.ActiveSince; since != nil {
		d += p.Now.Sub(since.Time)
	}
	return d
}

// countActiveTime starts and stops the count of active time.
func (p *planner) countActiveTime() {
	runs := !p.suspendRequested() && !p.allEnded()
	switch {
	case runs && p.next.ActiveSince == nil:
		p.next.ActiveSince = p.now()
	case !runs && p.next.ActiveSince != nil:
		p.next.ActiveSeconds += int64(p.now().Sub(p.next.ActiveSince.Time) / time.Second)
		p.next.ActiveSince = nil
	}
}

func (p *planner) stopAll(reason, message string) {
	for i := range p.next.Trials {
		p.stop(&p.next.Trials[i], reason, message)
	}
}

// stop ends a trial early, for good. One whose pod has ended well by itself is let finish.
func (p *planner) stop(t *api.TrialStatus, reason, message string) {
	if t.Phase.Terminal() || t.Phase == api.TrialFinishing || t.Phase == api.TrialStopping {
		return
	}
	t.NextAttemptTime = nil
	p.setPhase(t, api.TrialStopping, reason, message)
	p.addTrialEvent(t, decision.Normal, reason, " is stopped: %s", message)
}

// awaitStop waits for the end of the trial's pod, which saves itself first.
func (p *planner) awaitStop(t *api.TrialStatus) {
	switch {
	case p.reportedFinished(t):
		p.succeed(t)
	case p.remainingPod(t) != "":
		p.planAtNodeLoss(t)
	default:
		t.CompletionTime = p.now()
		t.Phase = api.TrialStopped
	}
}

// pause takes a trial's pod away until the run goes on. It costs no retry.
func (p *planner) pause(t *api.TrialStatus) {
	if t.Phase.Terminal() || t.Phase == api.TrialFinishing || t.Phase == api.TrialStopping {
		return
	}
	if !waitsForPlace(t) {
		t.NextAttemptTime = p.now()
	}
	if pod := p.remainingPod(t); pod != "" {
		p.setPhase(t, api.TrialWaiting, "Suspending", "spec.suspend is true: "+pod+" saves itself")
		return
	}
	p.setPhase(t, api.TrialWaiting, "Suspended", "spec.suspend is true")
}

// deleteLeftoverJobs deletes the Jobs that could still have a pod although their trial must not have one: the run is
// suspended, the trial was stopped, or the attempt was given up or was suspended by Kueue. A Job whose pod has ended
// stays, with its log.
func (p *planner) deleteLeftoverJobs() {
	keep := map[string]bool{}
	for _, t := range p.next.Trials {
		if t.Phase == api.TrialStarting || t.Phase == api.TrialRunning || t.Phase == api.TrialFinishing || t.Phase == api.TrialWaiting && !waitsForPlace(&t) {
			keep[p.jobName(&t, t.Attempt)] = true
		}
	}
	for _, j := range p.Cluster.Jobs {
		_, ended := attempt.JobEnded(j)
		if pod := p.Cluster.PodOf(j); pod != nil && attempt.PodEnded(pod) && !attempt.JobSuspended(j) {
			ended = true // it makes no other, and will say so itself
		}
		if !ended && !keep[j.Name] && j.DeletionTimestamp == nil {
			p.actions = append(p.actions, decision.Action{Delete: j, Reason: "its trial is not to have a pod: " + p.whyNoPod(j)})
		}
	}
}

// whyNoPod returns the reason of a Job's trial.
func (p *planner) whyNoPod(j *batchv1.Job) string {
	for _, t := range p.next.Trials {
		if t.Name == j.Labels[api.LabelTrial] {
			return t.Reason
		}
	}
	return "it is none of this run's"
}
