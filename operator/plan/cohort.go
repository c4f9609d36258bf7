package plan

import (
	"cmp"
	"fmt"
	"slices"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/resolve"
)

// minPeers is how many trials a trial is compared with at least: the median of fewer is one other trial's luck.
const minPeers = 2

// compareCohort applies earlyStopping.cohort: a trial is compared with the others at the last epoch that it and enough
// of them have reached, and stopped when its best so far lies too far below their median. The rule is the median
// stopping rule of Golovin et al., "Google Vizier" (KDD 2017), with bests in place of running averages, and a margin.
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
		v, ok := p.behindOthers(t, rule.Cohort.GraceEpochs, margin)
		if !ok {
			continue
		}
		v.DryRun = rule.Cohort.DryRun
		t.Cohort = &v
		words := fmt.Sprintf("at epoch %d its best AUC-PR is %s, more than %.4g below %s, the median of the others", v.Epoch, v.AUCPR, margin, v.Median)
		if v.DryRun {
			p.addTrialEvent(t, decision.Normal, reasonCohort, " would be stopped: %s", words)
			continue
		}
		p.stop(t, reasonCohort, words)
	}
}

// behindOthers reports whether a trial is too far below its peers.
func (p *planner) behindOthers(t *api.TrialStatus, grace int32, margin float64) (api.CohortVerdict, bool) {
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
	// The last epoch that the trial and minPeers others have reached; one that has succeeded has reached all of them.
	slices.SortFunc(peers, func(a, b *api.TrialStatus) int { return cmp.Compare(reached(b), reached(a)) })
	epoch := min(t.Epoch, reached(peers[minPeers-1]))
	if epoch <= grace {
		return api.CohortVerdict{}, false
	}
	var others []float64
	for _, o := range peers {
		if reached(o) >= epoch {
			others = append(others, bestBy(o, epoch))
		}
	}
	own, middle := bestBy(t, epoch), median(others)
	if own >= middle-margin {
		return api.CohortVerdict{}, false
	}
	return api.CohortVerdict{Epoch: epoch, AUCPR: api.FormatDecimal(own), Median: api.FormatDecimal(middle)}, true
}

func reached(t *api.TrialStatus) int32 {
	if t.Phase == api.TrialSucceeded {
		return max(t.Epoch, t.Epochs)
	}
	return t.Epoch
}

// bestBy is the best AUC-PR of a trial up to an epoch, of the points that its curve keeps.
func bestBy(t *api.TrialStatus, epoch int32) (best float64) {
	for _, c := range t.Curve {
		if c.Epoch <= epoch {
			best = max(best, parseDecimal(c.AUCPR))
		}
	}
	return best
}

func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// setCohortCost records, at the end of a dry run, what stopping would have cost: how far the sweep's best lies above
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
