package plan

import (
	"fmt"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
)

// silentAfter is how long a training trial may send no report before it counts as silent. A trial reports every ten
// seconds while it trains. Between two epochs a large validation or checkpoint may take longer.
const silentAfter = 5 * time.Minute

// firstReportWithin is how long an attempt may run before its first report. An attempt reads its data first.
const firstReportWithin = 30 * time.Minute

// silentTrials names the trials that train and have sent no report for too long although the operator reads the stream.
// NATS may refuse a pod's credential, or the network may block the pod. The operator can notice this only because no
// report arrives.
func (p *planner) silentTrials() (names []string) {
	if !p.Stream.Connected || !p.Stream.Current {
		return nil
	}
	for _, t := range p.next.Trials {
		r := p.Reports.Trials[t.Name]
		var since time.Time // when the trial was last heard, or when its pod started
		limit := silentAfter
		switch {
		case t.Phase == api.TrialRunning && r.Attempt == int(t.Attempt):
			since = r.Heard
		case t.Reason == attempt.ReasonFirstReport:
			if a := attemptRecord(&t, t.Attempt); a != nil && a.StartTime != nil {
				since, limit = a.StartTime.Time, firstReportWithin
			}
		}
		if since.IsZero() {
			continue
		}
		from := since
		if from.Before(p.Stream.Since) {
			from = p.Stream.Since // NATS was away, and trials need time to connect again
		}
		if left := from.Add(limit).Sub(p.Now); left > 0 {
			p.planAgainIn(left)
		} else {
			names = append(names, fmt.Sprintf("%s since %s UTC", t.Name, since.UTC().Format(time.DateTime)))
		}
	}
	return names
}
