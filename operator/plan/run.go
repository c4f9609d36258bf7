package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/plaintext"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/operator/selection"
)

// selectBest chooses among the trials' best checkpoints, also those of trials that failed after they had written one.
func (p *planner) selectBest() {
	if !p.Stream.Current {
		return
	}
	var cs []selection.Candidate
	for _, t := range p.next.Trials {
		if b := p.best[t.Name]; b != nil {
			c := selection.Candidate{Trial: t.Name, Depth: int(t.Depth), Epoch: b.Epoch, Metrics: b.Metrics, Digests: b.Digests, Scores: b.Scores}
			if b.Checkpoint != nil {
				c.Checkpoint = *b.Checkpoint
			}
			cs = append(cs, c)
		}
	}
	p.final = p.allEnded() && p.Reports.Drained
	choice := selection.Choose(cs, resolve.Rule(p.Run.Spec.Objective), p.final)
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
		p.setCondition(api.ConditionBestSelected, false, "Provisional", p.next.Best.Trial+" leads while trials are still running")
	default:
		p.setCondition(api.ConditionBestSelected, false, "NoCheckpoint", choice.Reason)
	}
}

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
		Reason: plaintext.Cut(c.Reason, 1024),
	}
	if r := c.RunnerUp; r != nil {
		b.RunnerUp = &api.RunnerUp{Trial: r.Trial, AUCPR: api.FormatDecimal(r.Metrics.AUCPR), Epoch: int32(r.Epoch)}
		if d := c.Lead; d != nil {
			noise := d.WithinNoise()
			signed := func(v float64) api.SignedDecimal { return api.SignedDecimal(api.FormatDecimal(v)) }
			b.RunnerUp.Lead = &api.Lead{Value: signed(d.Value), Low: signed(d.Low), High: signed(d.High), WithinNoise: noise}
		}
	}
	return b
}

func (p *planner) allEnded() bool {
	for _, t := range p.next.Trials {
		if !t.Phase.Terminal() {
			return false
		}
	}
	return true
}

// endRun ends the run once every trial has ended and every report that the stream held after that has been read.
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
	ok, reason, message := p.verdict()
	p.setCondition(api.ConditionSucceeded, ok, reason, message)
	p.setCondition(api.ConditionFailed, !ok, reason, message)
	p.addEvent(severityOf(ok), reason, "%s", message)
}

// verdict says how a run whose trials have all ended has ended itself. A trial that was stopped on purpose counts as
// one that succeeded if it left a checkpoint; a run that was stopped at its deadline has failed, whatever it left.
func (p *planner) verdict() (ok bool, reason, message string) {
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
	slices.SortStableFunc(failed, func(a, b api.TrialStatus) int { return a.CompletionTime.Compare(b.CompletionTime.Time) })
	least := 1
	if f := p.Run.Spec.FailurePolicy; f != nil {
		least = int(ptr.Deref(f.MinSucceededTrials, 1))
	}
	all := len(p.next.Trials)
	summary := fmt.Sprintf("%d of %d trials succeeded", succeeded, all)
	for _, t := range stopped {
		if t.Reason == reasonDeadline || t.Reason == reasonFailing {
			return false, t.Reason, fmt.Sprintf("%s; %s%s", t.Message, summary, each("failed", failed))
		}
	}
	summary += each("was stopped", stopped) + each("failed", failed)
	switch {
	case len(failed) == all:
		return false, failed[0].Reason, firstFailure(failed)
	case useful < least:
		return false, "TooFewSucceededTrials", fmt.Sprintf("failurePolicy.minSucceededTrials is %d: %s", least, summary)
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

func each(what string, trials []api.TrialStatus) (s string) {
	for _, t := range trials {
		s += fmt.Sprintf("; %s %s: %s", t.Name, what, t.Message)
	}
	return s
}

// firstFailure begins with the pod's own sentence, which names file and line.
func firstFailure(failed []api.TrialStatus) string {
	if len(failed) == 1 {
		return fmt.Sprintf("%s (%s)", failed[0].Message, failed[0].Name)
	}
	return fmt.Sprintf("%s (%s; all %d trials failed)", failed[0].Message, failed[0].Name, len(failed))
}

// derive sums up the record: conditions, phase and counters say nothing that status.trials does not.
func (p *planner) derive() {
	var done, training, finished, epochs int
	var waits *api.TrialStatus
	begun := false
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		finished, epochs = finished+int(t.Epoch), epochs+int(t.Epochs)
		begun = begun || t.ReportsSeen > 0 || t.Phase == api.TrialRunning || t.Phase == api.TrialFinishing || t.Phase.Terminal()
		switch {
		case t.Phase.Terminal():
			done++
		case t.Phase == api.TrialRunning:
			training++
		case waits == nil:
			waits = t
		}
	}
	if len(p.next.Trials) > 0 {
		p.next.Done = fmt.Sprintf("%d/%d", done, len(p.next.Trials))
		p.next.Progress = fmt.Sprintf("%d/%d", finished, epochs)
		p.setMetricsHealthy()
	}
	p.setRunning(done, training, waits)
	p.setSuspended()
	switch {
	case meta.IsStatusConditionTrue(p.next.Conditions, api.ConditionSucceeded):
		p.next.Phase = api.RunSucceeded
	case meta.IsStatusConditionTrue(p.next.Conditions, api.ConditionFailed):
		p.next.Phase = api.RunFailed
	case p.suspendRequested() && p.next.StartTime != nil:
		p.next.Phase = api.RunSuspended
	case begun:
		p.next.Phase = api.RunRunning
	default:
		p.next.Phase = api.RunPending
	}
}

// setSuspended sets the condition Suspended: true once spec.suspend is true and no pod remains.
func (p *planner) setSuspended() {
	was := meta.FindStatusCondition(p.next.Conditions, api.ConditionSuspended)
	remaining := ""
	for i := range p.next.Trials {
		if t := &p.next.Trials[i]; !t.Phase.Terminal() && remaining == "" {
			remaining = p.remainingPod(t)
		}
	}
	switch {
	case p.next.StartTime == nil || p.allEnded() || !p.suspendRequested() && was == nil:
		meta.RemoveStatusCondition(&p.next.Conditions, api.ConditionSuspended)
	case !p.suspendRequested():
		if was.Reason != "Resumed" {
			p.addEvent(decision.Normal, "Resumed", "the run goes on from its checkpoints")
		}
		p.setCondition(api.ConditionSuspended, false, "Resumed", "spec.suspend is not true")
	case remaining != "":
		p.setCondition(api.ConditionSuspended, false, "Suspending", remaining+" saves itself")
	default:
		if was == nil || was.Status != metav1.ConditionTrue {
			p.addEvent(decision.Normal, "Suspended", "spec.suspend is true: no pod is left and the clock stands")
		}
		p.setCondition(api.ConditionSuspended, true, "Suspended", "spec.suspend is true")
	}
}

// setRunning sets the condition Running: which trials train, and otherwise what the run waits for.
func (p *planner) setRunning(done, training int, waits *api.TrialStatus) {
	all := len(p.next.Trials)
	waiting, away := "", ""
	if !p.Stream.Connected {
		away = "; " + p.Stream.Problem
	}
	if waits != nil {
		waiting = fmt.Sprintf("%s (%s): %s", waits.Name, waits.Reason, waits.Message)
		if waits.Reason == attempt.ReasonFirstReport || waits.Phase == api.TrialFinishing {
			waiting += away
		}
	}
	switch {
	case all == 0: // in the same words, so that one condition says why nothing trains
		why := meta.FindStatusCondition(p.next.Conditions, api.ConditionAdmitted)
		p.setCondition(api.ConditionRunning, false, why.Reason, why.Message)
	case done == all && !p.final:
		p.setCondition(api.ConditionRunning, false, reasonReports, "all trials have ended; the run ends once every report that they sent has been read"+away)
	case done == all:
		p.setCondition(api.ConditionRunning, false, "Ended", "all trials have ended")
	case training > 0 && waits != nil:
		p.setCondition(api.ConditionRunning, true, "Training", fmt.Sprintf("%d of %d trials train; %s", training, all, waiting))
	case training > 0:
		p.setCondition(api.ConditionRunning, true, "Training", fmt.Sprintf("%d of %d trials train", training, all))
	default:
		p.setCondition(api.ConditionRunning, false, waits.Reason, waiting)
	}
}

// setMetricsHealthy sets the condition MetricsHealthy: whether all reports arrive, and otherwise what that means for
// the run.
func (p *planner) setMetricsHealthy() {
	was := meta.FindStatusCondition(p.next.Conditions, api.ConditionMetricsHealthy)
	setTo := func(ok bool, reason, message string) {
		if was != nil && was.Reason != reason || was == nil && !ok {
			p.addEvent(severityOf(ok), reason, "%s", message)
		}
		p.setCondition(api.ConditionMetricsHealthy, ok, reason, message)
	}
	var missing []string
	for _, t := range p.next.Trials {
		if t.Gaps > 0 {
			missing = append(missing, fmt.Sprintf("%d of %s", t.Gaps, t.Name))
		}
	}
	silent := p.silentTrials()
	switch {
	case !p.Stream.Connected:
		setTo(false, "StreamUnavailable", p.Stream.Problem+"; trials go on training and their reports arrive later")
	case p.next.Stream != nil && p.next.Stream.ID != p.Stream.ID:
		setTo(false, "StreamReplaced", fmt.Sprintf("the report stream of this run, made at %s, was replaced by one made at %s: what was known is kept, later reports are read from the new one", p.next.Stream.ID, p.Stream.ID))
	case !p.Stream.Current && was != nil:
		// Reading again after a restart: nothing new is known yet.
	case !p.Stream.Current:
		setTo(false, "CatchingUp", "the operator is reading the reports that the stream holds")
	case !p.Reports.Whole && p.Run.Status.Stream != nil:
		setTo(false, "ReportsDropped", "the stream no longer holds all reports of this run: it was purged, or --stream-max-age or --stream-max-bytes is too small; what was known is kept, and the next attempt of a trial tells its history again")
	case len(silent) > 0:
		setTo(false, "TrialsSilent", "nothing is heard although the pod runs: "+strings.Join(silent, ", ")+"; its log (`plumb logs`) says whether NATS refuses it, and reports that wait arrive later")
	case len(missing) > 0:
		setTo(false, "ReportsMissing", "reports did not arrive: "+strings.Join(missing, ", "))
	default:
		setTo(true, "ReportsArrive", "every report that was sent is read")
	}
}

// severityOf returns Warning for what is not well.
func severityOf(ok bool) decision.Severity {
	if ok {
		return decision.Normal
	}
	return decision.Warning
}

func (p *planner) setCondition(kind string, ok bool, reason, message string) {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&p.next.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: plaintext.Cut(message, 4096),
		ObservedGeneration: p.Run.Generation, LastTransitionTime: *p.now(),
	})
}
