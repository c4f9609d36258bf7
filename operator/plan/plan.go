package plan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

// Input is everything that a plan depends on.
type Input struct {
	Run     *api.TrainingRun
	Cluster attempt.Cluster
	Stream  ledger.Stream
	Reports ledger.Reports
	// Admission says why the run cannot be admitted yet although its settings are valid; nil: it can be admitted.
	Admission    error
	Installation resolve.Installation
	// Publishing is the number of ModelVersions of the run whose publishing has not ended. A run with such versions is
	// not deleted.
	Publishing int
	Now        time.Time
}

// Plan says what the controller must do, in this order: write Status if it differs from the run's status, record
// Events, carry out Actions.
type Plan struct {
	Status  api.TrainingRunStatus
	Events  []decision.Event
	Actions []decision.Action
	Retries []wire.Class  // the classes of the attempts that will be retried, for metrics
	After   time.Duration // when to plan again even if nothing is observed to change; 0: never
}

// Ended reports whether a run has ended. The run's completion time is the record of its end, which is final. plumb has
// another definition, runstate.Ended: a person sees the conditions, and plumb imports no planner.
func Ended(run *api.TrainingRun) bool { return run.Status.CompletionTime != nil }

// Make makes the plan. The plan depends on the input alone. Planning again from the status that the plan returned
// changes nothing.
func Make(in Input) Plan {
	p := &planner{Input: in, next: in.Run.Status.DeepCopy(), best: map[string]*ledger.Measured{}}
	p.next.ObservedGeneration = in.Run.Generation
	if Ended(in.Run) {
		p.expire()
		return p.result()
	}
	// 1. The run must be admitted.
	if !p.admit() {
		p.deriveConditions()
		return p.result()
	}
	// 2. Each trial advances with what was observed and reported.
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		p.updateFromReports(t)
		p.advance(t)
	}
	// 3. Trials that must not continue are stopped or paused.
	p.stopAndPause()
	// 4. Trials that wait get the free places. Jobs that no trial needs are deleted.
	p.startAttempts()
	p.deleteLeftoverJobs()
	// 5. The best is selected. It is final once all trials have ended and all their reports have been read.
	p.final = p.allEnded() && p.Stream.Current && p.Reports.Drained
	p.selectBest()
	p.endRun()
	// 6. Conditions, phase and counters follow from the trials.
	p.setCost()
	p.setAUCPRPerGPUHour()
	p.deriveConditions()
	return p.result()
}

// planner holds one plan while it is made.
type planner struct {
	Input
	next *api.TrainingRunStatus
	best map[string]*ledger.Measured // each trial's best by the trial's name, not rounded as in status
	// final says that all trials have ended and all their reports have been read: the run ends with this plan.
	final   bool
	events  []decision.Event
	actions []decision.Action
	retries []wire.Class
	after   time.Duration
}

func (p *planner) result() Plan {
	return Plan{Status: *p.next, Events: p.events, Actions: p.actions, Retries: p.retries, After: p.after}
}

// addEvent adds an event about the run.
func (p *planner) addEvent(severity decision.Severity, reason, format string, args ...any) {
	p.events = append(p.events, decision.NewEvent(severity, "", reason, format, args...))
}

// addTrialEvent adds an event about a trial's newest attempt. Its message is the trial's name, followed by the
// formatted text.
func (p *planner) addTrialEvent(t *api.TrialStatus, severity decision.Severity, reason, format string, args ...any) {
	p.events = append(p.events, decision.NewEvent(severity, p.jobName(t, t.Attempt), reason, t.Name+format, args...))
}

// planAgainIn schedules the next plan after d, unless an earlier one is scheduled.
func (p *planner) planAgainIn(d time.Duration) {
	if p.after == 0 || d < p.after {
		p.after = max(d, time.Millisecond)
	}
}

// timestamp returns the time of the plan in whole seconds, as status keeps it.
func (p *planner) timestamp() *metav1.Time { return decision.Time(p.Now) }
