package plan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

// Input is everything that a plan is made from.
type Input struct {
	Run       *api.TrainingRun
	Cluster   attempt.Cluster
	Stream    Stream
	Reports   Reports
	Admission error // why the run cannot be admitted although its settings resolve; nil: it can
	Settings  resolve.Settings
	// Promotions counts the run's ModelVersions that have not ended; of interest once the run is to be deleted.
	Promotions int
	Now        time.Time
}

// Plan is what to do: write Status if it differs from the run's, then record Events, then carry out Actions, in this
// order.
type Plan struct {
	Status  api.TrainingRunStatus
	Events  []decision.Event
	Actions []decision.Action
	Retries []wire.Class  // classes of the attempts that are tried again
	After   time.Duration // when to plan again although nothing was observed to change; 0: never
}

// Ended reports whether a run has ended for good. Its completion time is the record of that.
func Ended(run *api.TrainingRun) bool { return run.Status.CompletionTime != nil }

// NeedsLiveRead reports whether this plan needs a live read, because the cache may be behind. An attempt may be due
// while a pod of the attempt before remains, or a trial is being stopped whose Job is not in the cache yet.
func NeedsLiveRead(run *api.TrainingRun, now time.Time) bool {
	for _, t := range run.Status.Trials {
		if t.Phase == api.TrialStopping || t.NextAttemptTime != nil && !now.Before(t.NextAttemptTime.Time) {
			return true
		}
	}
	return false
}

// NeedsDrain reports whether this plan depends on whether the stream has been read to its end: some pod ended well, or
// all trials ended.
func NeedsDrain(run *api.TrainingRun) bool {
	all := len(run.Status.Trials) > 0
	for _, t := range run.Status.Trials {
		if t.Phase == api.TrialFinishing {
			return true
		}
		all = all && t.Phase.Terminal()
	}
	return all
}

// Make decides. It is a function of its input alone, and making it again from its own outcome changes nothing.
func Make(in Input) Plan {
	p := &planner{Input: in, next: in.Run.Status.DeepCopy(), best: map[string]*Measured{}}
	p.next.ObservedGeneration = in.Run.Generation
	if Ended(in.Run) {
		p.expire()
		return p.result()
	}
	// 1. A run that cannot be admitted gets no further.
	if !p.admit() {
		p.derive()
		return p.result()
	}
	// 2. Every trial moves on with what was seen and reported of it.
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		p.foldReports(t)
		p.advance(t)
	}
	// 3. What is not to go on is stopped or paused.
	p.stopAndPause()
	// 4. Places that are free are given to trials that wait.
	p.startAttempts()
	p.deleteLeftoverJobs()
	// 5. The best of what is there; final once everything has ended and was read.
	p.selectBest()
	p.endRun()
	// 6. Conditions, phase and counters follow from the trials.
	p.setCost()
	p.setYield()
	p.derive()
	return p.result()
}

// planner carries one plan while it is made.
type planner struct {
	Input
	next    *api.TrainingRunStatus
	best    map[string]*Measured // each trial's best, in full precision
	final   bool                 // the run ends with this plan
	events  []decision.Event
	actions []decision.Action
	retries []wire.Class
	after   time.Duration
}

func (p *planner) result() Plan {
	return Plan{Status: *p.next, Events: p.events, Actions: p.actions, Retries: p.retries, After: p.after}
}

// addEvent adds an event of the run.
func (p *planner) addEvent(severity decision.Severity, reason, format string, args ...any) {
	p.events = append(p.events, decision.NewEvent(severity, "", reason, format, args...))
}

// addTrialEvent adds an event of a trial's newest attempt. The message is the trial's name followed by the format.
func (p *planner) addTrialEvent(t *api.TrialStatus, severity decision.Severity, reason, format string, args ...any) {
	p.events = append(p.events, decision.NewEvent(severity, p.jobName(t, t.Attempt), reason, t.Name+format, args...))
}

// planAgainIn asks for another plan after d at the latest.
func (p *planner) planAgainIn(d time.Duration) {
	if p.after == 0 || d < p.after {
		p.after = max(d, time.Millisecond)
	}
}

// now has the precision that the API server keeps, so that what is written equals what is read back.
func (p *planner) now() *metav1.Time { return decision.Time(p.Now) }
