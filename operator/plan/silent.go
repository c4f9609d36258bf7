package plan

import (
	"fmt"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
)

// silentAfter is how long nothing may arrive from a trial before that is a fault. A trial reports every ten seconds
// while it trains; a large validation or checkpoint between two epochs takes longer.
const silentAfter = 5 * time.Minute

// firstReportWithin is the same for an attempt that runs and has not reported yet: it reads its data first.
const firstReportWithin = 30 * time.Minute

// silentTrials names the trials that train and have told nothing for a while although the stream is read. The operator
// does not hear when NATS turns a pod away, because of its credential or of its network: this is how it shows.
func (p *planner) silentTrials() (names []string) {
	if !p.Stream.Connected || !p.Stream.Current {
		return nil
	}
	for _, t := range p.next.Trials {
		r, since, bound := p.Reports.Trials[t.Name], time.Time{}, silentAfter
		switch {
		case t.Phase == api.TrialRunning && r.Attempt == int(t.Attempt):
			since = r.Heard
		case t.Reason == attempt.ReasonFirstReport:
			if a := attemptRecord(&t, t.Attempt); a != nil && a.StartTime != nil {
				since, bound = a.StartTime.Time, firstReportWithin
			}
		}
		if since.IsZero() {
			continue
		}
		due := since
		if due.Before(p.Stream.Since) { // NATS was away: trials need a moment to find it again
			due = p.Stream.Since
		}
		if left := due.Add(bound).Sub(p.Now); left > 0 {
			p.planAgainIn(left)
		} else {
			names = append(names, fmt.Sprintf("%s since %s", t.Name, since.UTC().Format(time.DateTime)))
		}
	}
	return names
}
