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

// hold stops or pauses what is not to go on. It only decides: sweep deletes the Jobs of trials that are not to have one, and a
// trial ends once its pod has saved itself and is gone.
func (p *planner) hold() {
	switch {
	case p.overdue():
		p.stopAll(reasonDeadline, fmt.Sprintf("the run was active for %d s, which is spec.activeDeadlineSeconds", *p.Run.Spec.ActiveDeadlineSeconds))
	case p.count(api.TrialFailed) > p.mayFail() && !p.allEnded():
		p.stopAll(reasonFailing, fmt.Sprintf("%d failed, and failurePolicy allows %d", p.count(api.TrialFailed), p.mayFail()))
	}
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if slices.Contains(p.Run.Spec.StopTrials, api.TrialName(t.Name)) {
			p.stop(t, reasonByUser, "spec.stopTrials names it")
		}
	}
	p.compareCohort()
	if p.suspended() {
		for i := range p.next.Trials {
			p.pause(&p.next.Trials[i])
		}
	}
	p.clock()
}

func (p *planner) suspended() bool { return ptr.Deref(p.Run.Spec.Suspend, false) }

func (p *planner) count(phase api.TrialPhase) (n int) {
	for _, t := range p.next.Trials {
		if t.Phase == phase {
			n++
		}
	}
	return n
}

// mayFail is how many trials may fail: what is set, or all but those that the run needs.
func (p *planner) mayFail() int {
	f := ptr.Deref(p.Run.Spec.FailurePolicy, api.FailurePolicy{})
	return int(ptr.Deref(f.MaxFailedTrials, max(0, int32(len(p.next.Trials))-ptr.Deref(f.MinSucceededTrials, 1))))
}

// overdue says whether the run has been active for as long as it may be.
func (p *planner) overdue() bool {
	limit := p.Run.Spec.ActiveDeadlineSeconds
	if limit == nil || p.allEnded() {
		return false
	}
	left := time.Duration(*limit)*time.Second - p.active()
	if left > 0 && p.next.ActiveSince != nil {
		p.again(left)
	}
	return left <= 0
}

// active is for how long the run has not been suspended.
func (p *planner) active() time.Duration {
	d := time.Duration(p.next.ActiveSeconds) * time.Second
	if since := p.next.ActiveSince; since != nil {
		d += p.Now.Sub(since.Time)
	}
	return d
}

// clock starts and stops the count of active time.
func (p *planner) clock() {
	runs := !p.suspended() && !p.allEnded()
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
	p.set(t, api.TrialStopping, reason, message)
	p.about(t, false, reason, " is stopped: %s", message)
}

// stopping waits for the end of the trial's pod, which saves itself first.
func (p *planner) stopping(t *api.TrialStatus) {
	switch {
	case p.trained(t):
		p.succeed(t)
	case p.left(t) != "":
		p.awaitEnd(t)
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
	if left := p.left(t); left != "" {
		p.set(t, api.TrialWaiting, "Suspending", "spec.suspend is true: "+left+" saves itself")
		return
	}
	p.set(t, api.TrialWaiting, "Suspended", "spec.suspend is true")
}

// sweep deletes the Jobs that could still have a pod although their trial is not to have one: of a run that is suspended, of a
// trial that was stopped, of an attempt that was given up or that Kueue has suspended. One whose pod has ended stays, with its log.
func (p *planner) sweep() {
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
			p.actions = append(p.actions, decision.Action{Delete: j, Reason: "its trial is not to have a pod: " + p.why(j)})
		}
	}
}

func (p *planner) why(j *batchv1.Job) string {
	for _, t := range p.next.Trials {
		if t.Name == j.Labels[api.LabelTrial] {
			return t.Reason
		}
	}
	return "it is none of this run's"
}
