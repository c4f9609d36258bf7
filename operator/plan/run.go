package plan

import (
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/plaintext"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/operator/selection"
)

// selectBest chooses among the best checkpoints of all trials. A trial that failed after it had written a checkpoint
// competes too.
func (p *planner) selectBest() {
	if !p.Stream.Current {
		return
	}
	choice := selection.Choose(p.candidates(), resolve.Rule(p.Run.Spec.Objective), p.final)
	was := p.next.Best
	p.next.Best = statusBest(choice)
	if b := p.next.Best; b != nil {
		b.Provisional = !p.final
		if was == nil || was.Trial != b.Trial {
			p.addEvent(decision.Normal, "NewBest", "%s leads with AUC-PR %s at epoch %d", b.Trial, b.AUCPR, b.Epoch)
		}
	}
	switch {
	case p.final && p.next.Best != nil:
		p.setCondition(api.ConditionBestSelected, true, "Selected", choice.Reason)
	case p.final:
		p.setCondition(api.ConditionBestSelected, false, "NoCheckpoint", choice.Reason)
	case p.next.Best != nil:
		message := p.next.Best.Trial + " leads while trials are still running"
		p.setCondition(api.ConditionBestSelected, false, "Provisional", message)
	default:
		p.setCondition(api.ConditionBestSelected, false, "NoCheckpoint", choice.Reason)
	}
}

// candidates returns the best checkpoint of each trial that has one.
func (p *planner) candidates() (all []selection.Candidate) {
	for _, t := range p.next.Trials {
		b := p.best[t.Name]
		if b == nil {
			continue
		}
		c := selection.Candidate{
			Trial:   t.Name,
			Depth:   int(t.Depth),
			Epoch:   b.Epoch,
			Metrics: b.Metrics,
			Digests: b.Digests,
			Scores:  b.Scores,
		}
		if b.Checkpoint != nil {
			c.Checkpoint = *b.Checkpoint
		}
		all = append(all, c)
	}
	return all
}

// maxBestReason is how many characters status.best.reason may have; the CRD has the same bound.
const maxBestReason = 1024

// statusBest returns a choice as status shows it, or nil if there is no best.
func statusBest(c selection.Choice) *api.Best {
	if c.Best == nil {
		return nil
	}
	b := &api.Best{
		Trial: c.Best.Trial,
		Depth: api.Depth(c.Best.Depth),
		BestMetrics: api.BestMetrics{
			Metrics:    *formatMetrics(c.Best.Metrics),
			Epoch:      int32(c.Best.Epoch),
			Checkpoint: reference(&c.Best.Checkpoint),
		},
		Reason: plaintext.Cut(c.Reason, maxBestReason),
	}
	if r := c.RunnerUp; r != nil {
		b.RunnerUp = &api.RunnerUp{Trial: r.Trial, AUCPR: api.FormatDecimal(r.Metrics.AUCPR), Epoch: int32(r.Epoch)}
		if d := c.Lead; d != nil {
			signed := func(v float64) api.SignedDecimal { return api.SignedDecimal(api.FormatDecimal(v)) }
			b.RunnerUp.Lead = &api.Lead{
				Value:       signed(d.Value),
				Low:         signed(d.Low),
				High:        signed(d.High),
				WithinNoise: d.WithinNoise(),
			}
		}
	}
	return b
}

// allEnded reports whether all trials have ended.
func (p *planner) allEnded() bool {
	for _, t := range p.next.Trials {
		if !t.Phase.Terminal() {
			return false
		}
	}
	return true
}

// endRun ends the run once all trials have ended and the operator has then read the stream to its end.
func (p *planner) endRun() {
	if !p.allEnded() {
		return
	}
	if !p.final {
		p.planAgainIn(drainEvery)
		return
	}
	p.setCohortCost()
	last := p.next.StartTime
	for i := range p.next.Trials {
		if t := &p.next.Trials[i]; last.Before(t.CompletionTime) {
			last = t.CompletionTime
		}
	}
	p.next.CompletionTime = last
	ok, reason, message := p.outcome()
	p.setCondition(api.ConditionSucceeded, ok, reason, message)
	p.setCondition(api.ConditionFailed, !ok, reason, message)
	p.addEvent(severityOf(ok), reason, "%s", message)
}

// outcome says whether a run has succeeded, and why. All its trials must have ended. A trial that was stopped on
// purpose counts like a trial that succeeded if it left a checkpoint. A run that was stopped at its deadline, or
// because too many trials failed, has failed even if it has checkpoints.
func (p *planner) outcome() (ok bool, reason, message string) {
	var failed, stopped []api.TrialStatus
	succeeded, useful := 0, 0
	for _, t := range p.next.Trials {
		switch {
		case t.Phase == api.TrialSucceeded:
			succeeded++
			useful++
		case t.Phase == api.TrialFailed:
			failed = append(failed, t)
		default:
			stopped = append(stopped, t)
			if t.Best != nil {
				useful++
			}
		}
	}
	slices.SortStableFunc(failed, func(a, b api.TrialStatus) int {
		return a.CompletionTime.Compare(b.CompletionTime.Time)
	})
	required := 1
	if f := p.Run.Spec.FailurePolicy; f != nil {
		required = int(ptr.Deref(f.MinSucceededTrials, 1))
	}
	all := len(p.next.Trials)
	summary := fmt.Sprintf("%d of %d trials succeeded", succeeded, all)
	for _, t := range stopped {
		if t.Reason == reasonDeadline || t.Reason == reasonFailing {
			return false, t.Reason, fmt.Sprintf("%s; %s%s", t.Message, summary, listTrials("failed", failed))
		}
	}
	summary += listTrials("was stopped", stopped) + listTrials("failed", failed)
	switch {
	case len(failed) == all:
		return false, failed[0].Reason, firstFailure(failed)
	case useful < required:
		message = fmt.Sprintf("failurePolicy.minSucceededTrials is %d: %s", required, summary)
		return false, "TooFewSucceededTrials", message
	case len(failed) > p.allowedFailures():
		return false, reasonFailing, summary
	case len(failed) > 0:
		return true, "SomeTrialsFailed", summary
	case len(stopped) > 0:
		return true, "SomeTrialsStopped", summary
	default:
		return true, "AllTrialsSucceeded", summary
	}
}

// listTrials returns "; d50 failed: why" for each trial, where ended is the word "failed" or "was stopped".
func listTrials(ended string, trials []api.TrialStatus) (s string) {
	for _, t := range trials {
		s += fmt.Sprintf("; %s %s: %s", t.Name, ended, t.Message)
	}
	return s
}

// firstFailure returns the message of a run whose trials all failed. It begins with the message of the trial that
// failed first, which may name a file and a line.
func firstFailure(failed []api.TrialStatus) string {
	if len(failed) == 1 {
		return fmt.Sprintf("%s (%s)", failed[0].Message, failed[0].Name)
	}
	return fmt.Sprintf("%s (%s; all %d trials failed)", failed[0].Message, failed[0].Name, len(failed))
}
