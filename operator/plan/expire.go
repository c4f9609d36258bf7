package plan

import (
	"fmt"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
)

// ExpiresAt is when an ended run is to be deleted; zero: never.
func ExpiresAt(run *api.TrainingRun) time.Time {
	if !Ended(run) || run.Spec.TTLSecondsAfterFinished == nil {
		return time.Time{}
	}
	return run.Status.CompletionTime.Add(time.Duration(*run.Spec.TTLSecondsAfterFinished) * time.Second)
}

// expireEvery is how often a run that should be deleted looks whether a promotion of it has ended.
const expireEvery = 10 * time.Second

// expire deletes a run that ended long enough ago, unless a promotion of it is under way: until that has ended, people
// may want to look at what is being promoted.
func (p *planner) expire() {
	at := ExpiresAt(p.Run)
	switch {
	case at.IsZero():
	case p.Now.Before(at):
		p.planAgainIn(at.Sub(p.Now))
	case p.Promotions > 0:
		p.planAgainIn(expireEvery)
	default:
		p.actions = append(p.actions, decision.Action{Expire: true, Reason: fmt.Sprintf("it ended at %s, and spec.ttlSecondsAfterFinished is %d", p.Run.Status.CompletionTime.UTC().Format(time.RFC3339), *p.Run.Spec.TTLSecondsAfterFinished)})
	}
}
