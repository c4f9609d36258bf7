package plan

import (
	"fmt"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
)

// ExpiresAt returns when an ended run must be deleted; zero: never.
func ExpiresAt(run *api.TrainingRun) time.Time {
	if !Ended(run) || run.Spec.TTLSecondsAfterFinished == nil {
		return time.Time{}
	}
	return run.Status.CompletionTime.Add(time.Duration(*run.Spec.TTLSecondsAfterFinished) * time.Second)
}

// expireEvery is how often an expired run is planned again while a version of the run is being published.
const expireEvery = 10 * time.Second

// expire deletes a run whose spec.ttlSecondsAfterFinished has passed. It first waits until every version of the run is
// published or has failed, because until then people may want to look at the run.
func (p *planner) expire() {
	due := ExpiresAt(p.Run)
	switch {
	case due.IsZero():
	case p.Now.Before(due):
		p.planAgainIn(due.Sub(p.Now))
	case p.Publishing > 0:
		p.planAgainIn(expireEvery)
	default:
		ended := p.Run.Status.CompletionTime.UTC().Format(time.RFC3339)
		p.actions = append(p.actions, decision.Action{
			Expire: true,
			Reason: fmt.Sprintf("the run ended at %s, and spec.ttlSecondsAfterFinished is %d",
				ended, *p.Run.Spec.TTLSecondsAfterFinished),
		})
	}
}
