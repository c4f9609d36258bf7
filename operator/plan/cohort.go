package plan

import (
	"cmp"
	"fmt"
	"slices"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/resolve"
)

// minPeers is the least number of other trials with which a trial is compared. With fewer, the median would be the
// value of a single trial, which may be luck.
const minPeers = 2

// compareCohort applies earlyStopping.cohort. It compares each trial with the other trials at the last epoch that the
// trial and enough others have reached. It stops the trial if its best so far lies too far below the median of the
// others. This is the median stopping rule of Golovin et al., "Google Vizier" (KDD 2017), with bests in place of
// running averages, and with a margin.
func (p *planner) compareCohort() {
	rule := p.Run.Spec.EarlyStopping
	if rule == nil || rule.Cohort == nil || !p.Stream.Current {
		return
	}
	margin := resolve.CohortMargin(rule.Cohort)
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		if t.Phase != api.TrialRunning || t.Cohort != nil {
			continue
		}
		v, behind := p.compareWithOthers(t, rule.Cohort.GraceEpochs, margin)
		if !behind {
			continue
		}
		v.DryRun = rule.Cohort.DryRun
		t.Cohort = &v
		message := fmt.Sprintf(behindOthers, v.Epoch, v.AUCPR, margin, v.Median)
		if v.DryRun {
			const dryRun = " would be stopped if earlyStopping.cohort.dryRun were false: %s"
			p.addTrialEvent(t, decision.Normal, reasonCohort, dryRun, message)
			continue
		}
		p.stop(t, reasonCohort, message)
	}
}

// behindOthers is the message of a trial that the cohort rule stops.
const behindOthers = "at epoch %d its best AUC-PR is %s, more than %.4g below %s, the median of the others"

// compareWithOthers reports whether a trial is too far behind the other trials, and returns the verdict if it is.
func (p *planner) compareWithOthers(t *api.TrialStatus, grace int32, margin float64) (api.CohortVerdict, bool) {
	var peers []*api.TrialStatus
	for i := range p.next.Trials {
		o := &p.next.Trials[i]
		if o.Name != t.Name && o.Phase != api.TrialFailed && len(o.Curve) > 0 {
			peers = append(peers, o)
		}
	}
	if len(peers) < minPeers {
		return api.CohortVerdict{}, false
	}
	// The last epoch that the trial and minPeers others have reached.
	slices.SortFunc(peers, func(a, b *api.TrialStatus) int { return cmp.Compare(epochReached(b), epochReached(a)) })
	epoch := min(t.Epoch, epochReached(peers[minPeers-1]))
	if epoch <= grace {
		return api.CohortVerdict{}, false
	}
	var others []float64
	for _, o := range peers {
		if epochReached(o) >= epoch {
			others = append(others, bestUpTo(o, epoch))
		}
	}
	own, typical := bestUpTo(t, epoch), median(others)
	if own >= typical-margin {
		return api.CohortVerdict{}, false
	}
	return api.CohortVerdict{Epoch: epoch, AUCPR: api.FormatDecimal(own), Median: api.FormatDecimal(typical)}, true
}

// epochReached returns the last epoch at which a trial can be compared. A trial that succeeded has reached all epochs,
// even if its patience ended it earlier.
func epochReached(t *api.TrialStatus) int32 {
	if t.Phase == api.TrialSucceeded {
		return max(t.Epoch, t.Epochs)
	}
	return t.Epoch
}

// bestUpTo returns the best AUC-PR of a trial up to an epoch, among the points that its curve keeps.
func bestUpTo(t *api.TrialStatus, epoch int32) (best float64) {
	for _, c := range t.Curve {
		if c.Epoch <= epoch {
			best = max(best, parseDecimal(c.AUCPR))
		}
	}
	return best
}

// median returns the median of v, which must not be empty. It sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// setCohortCost records at the end of a dry run what stopping would have cost: how far the best of the sweep lies above
// the best that would have remained.
func (p *planner) setCohortCost() {
	if p.next.Best == nil {
		return
	}
	remaining := 0.0
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		switch {
		case t.Best == nil:
		case t.Cohort != nil && t.Cohort.DryRun:
			remaining = max(remaining, parseDecimal(t.Cohort.AUCPR))
		default:
			remaining = max(remaining, parseDecimal(t.Best.AUCPR))
		}
	}
	for i := range p.next.Trials {
		if c := p.next.Trials[i].Cohort; c != nil && c.DryRun {
			c.Cost = api.FormatDecimal(max(0, parseDecimal(p.next.Best.AUCPR)-remaining))
		}
	}
}
