package plan

import (
	"slices"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

// maxAttempts is how many attempts of a trial status keeps; the CRD has the same bound. The cost of older attempts
// stays in the trial's cost.
const maxAttempts = 16

// recordAttempts updates the record of a trial's attempts: when each had a node, from which epoch it resumed, how it
// ended and what it cost.
func (p *planner) recordAttempts(t *api.TrialStatus) {
	if t.Attempt == 0 {
		return
	}
	if attemptRecord(t, t.Attempt) == nil {
		t.Attempts = append(t.Attempts, api.AttemptStatus{Number: t.Attempt})
		t.Attempts = slices.Delete(t.Attempts, 0, max(0, len(t.Attempts)-maxAttempts))
	}
	for i := range t.Attempts {
		a := &t.Attempts[i]
		if a.EndTime == nil {
			p.recordObserved(t, a)
		}
		if r, ok := p.Reports.Trials[t.Name].Attempts[int(a.Number)]; ok {
			from := int32(r.From)
			a.FromEpoch, a.Epoch = &from, max(a.Epoch, int32(r.Epoch))
		}
	}
	p.recordLostTime(t)
}

// recordObserved records what the cluster shows of an attempt whose end is not recorded yet. If the trial is paused or
// being stopped, it also records the end, because endAttempt does not run for such a trial.
func (p *planner) recordObserved(t *api.TrialStatus, a *api.AttemptStatus) {
	observed := p.Cluster.Of(p.jobName(t, a.Number))
	if pod := observed.Pod; pod != nil {
		a.Node = pod.Spec.NodeName
		if a.StartTime == nil && pod.Status.StartTime != nil {
			a.StartTime = decision.Time(pod.Status.StartTime.Time)
		}
	}
	if !waitsForPlace(t) && t.Phase != api.TrialStopping && !t.Phase.Terminal() {
		return
	}
	switch {
	case observed.Pod != nil && attempt.PodEnded(observed.Pod):
		e := attempt.PodEnding(observed.Pod)
		p.recordEnd(t, a, e.Class, e.ExitCode, e.When(p.Now))
	case observed.Job == nil && p.remaining(t) == "":
		p.recordEnd(t, a, wire.ClassInterrupted, nil, p.Now)
	}
}

// recordEnd records the end of an attempt and adds its cost to the trial's. Only the first call for an attempt has an
// effect.
func (p *planner) recordEnd(t *api.TrialStatus, a *api.AttemptStatus, class wire.Class, exitCode *int32, at time.Time) {
	if a == nil || a.EndTime != nil {
		return
	}
	a.Class, a.ExitCode, a.EndTime = string(class), exitCode, decision.Time(at)
	if took := podSeconds(*a); took > 0 {
		a.GPUSeconds = took * p.gpusOf(t)
		p.addCost(t, api.Cost{PodSeconds: took})
	}
}

// addCost adds seconds of a pod to the trial's cost, and the same seconds times the number of the pod's GPUs.
func (p *planner) addCost(t *api.TrialStatus, c api.Cost) {
	if t.Cost == nil {
		t.Cost = &api.Cost{}
	}
	n := p.gpusOf(t)
	t.Cost.PodSeconds += c.PodSeconds
	t.Cost.GPUSeconds += n * c.PodSeconds
	t.Cost.LostSeconds += c.LostSeconds
	t.Cost.LostGPUSeconds += n * c.LostSeconds
}

// gpusOf returns how many GPUs each pod of a trial has.
func (p *planner) gpusOf(t *api.TrialStatus) int64 {
	return resolve.GPUs(resolve.Resources(p.Run, t.Depth))
}

// recordLostTime records how much of each ended attempt's time was lost: the pod's time minus the time of the epochs
// that no later attempt had to repeat. This is known once a later attempt has reported from which epoch it resumed.
func (p *planner) recordLostTime(t *api.TrialStatus) {
	latest := -1 // the newest attempt that has reported
	for i, a := range t.Attempts {
		if a.FromEpoch != nil {
			latest = i
		}
	}
	for i := range max(latest, 0) {
		a := &t.Attempts[i]
		if a.LostSeconds != nil || a.EndTime == nil {
			continue
		}
		took := podSeconds(*a)
		useful := 0.0
		if a.FromEpoch != nil {
			useful = p.trainedSeconds(t, *a.FromEpoch, *t.Attempts[latest].FromEpoch)
		}
		lost := min(max(took-int64(useful+0.5), 0), took)
		a.LostSeconds = &lost
		p.addCost(t, api.Cost{LostSeconds: lost})
	}
}

// trainedSeconds returns how long the epochs after the epoch from took, up to and including the epoch to.
func (p *planner) trainedSeconds(t *api.TrialStatus, from, to int32) (sum float64) {
	for _, m := range p.Reports.Trials[t.Name].Curve {
		if int32(m.Epoch) > from && int32(m.Epoch) <= to {
			sum += m.Seconds
		}
	}
	return sum
}

// attemptRecord returns the record of an attempt, or nil if status has none.
func attemptRecord(t *api.TrialStatus, number int32) *api.AttemptStatus {
	for i := range t.Attempts {
		if t.Attempts[i].Number == number {
			return &t.Attempts[i]
		}
	}
	return nil
}

// podSeconds returns how long an attempt had a pod on a node; 0: its pod was never started or has not ended.
func podSeconds(a api.AttemptStatus) int64 {
	if a.StartTime == nil || a.EndTime == nil {
		return 0
	}
	return max(0, int64(a.EndTime.Sub(a.StartTime.Time)/time.Second))
}

// setCost sets the run's cost to the sum of its trials' costs.
func (p *planner) setCost() {
	var sum api.Cost
	for _, t := range p.next.Trials {
		if t.Cost != nil {
			sum.PodSeconds += t.Cost.PodSeconds
			sum.GPUSeconds += t.Cost.GPUSeconds
			sum.LostSeconds += t.Cost.LostSeconds
			sum.LostGPUSeconds += t.Cost.LostGPUSeconds
		}
	}
	if sum != (api.Cost{}) {
		p.next.Cost = &sum
	}
}

// setAUCPRPerGPUHour divides the best's AUC-PR by the GPU-hours of its trial. It does so once the trial has ended:
// before, the cost of the trial's newest pod is not known.
func (p *planner) setAUCPRPerGPUHour() {
	b := p.next.Best
	if b == nil {
		return
	}
	b.AUCPRPerGPUHour = ""
	for _, t := range p.next.Trials {
		if t.Name == b.Trial && t.Phase.Terminal() && t.Cost != nil && t.Cost.GPUSeconds > 0 {
			b.AUCPRPerGPUHour = api.FormatDecimal(parseDecimal(b.AUCPR) * 3600 / float64(t.Cost.GPUSeconds))
		}
	}
}
