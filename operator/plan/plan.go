package plan

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Input is everything that a plan is made from.
type Input struct {
	Run       *api.TrainingRun
	Cluster   Cluster
	Stream    Stream
	Reports   Reports
	Admission error // why the run cannot be admitted although its settings resolve; nil: it can
	Settings  Settings
	Now       time.Time
}

// Settings are the installation's, the same for every run.
type Settings struct {
	NATS string // where trials send their reports
	CA   bool   // the credential holds the authority that signed the server's certificate
}

// Plan is what to do: write Status if it differs from the run's, then record Events, then carry out Actions, in this order.
type Plan struct {
	Status  api.TrainingRunStatus
	Events  []Event
	Actions []Action
	Retries []wire.Class  // classes of the attempts that are tried again
	After   time.Duration // when to plan again although nothing was observed to change; 0: never
}

// Action creates a Job. Creation is idempotent: a Job of that name with this run's uid as its owner is the same Job.
type Action struct {
	Create *batchv1.Job
	Reason string
}

// Event is told once, after the status that it is about was written.
type Event struct {
	Warning bool
	Reason  string
	Message string
	Job     string // the attempt's Job that it is about; empty: none. Events that differ in nothing but words are made one.
}

// Ended says whether a run has ended for good. Its completion time is the record of that.
func Ended(run *api.TrainingRun) bool { return run.Status.CompletionTime != nil }

// MustDrain says whether the plan depends on the stream having been read to its end: some pod ended well, or all trials ended.
func MustDrain(run *api.TrainingRun) bool {
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
		return p.plan()
	}
	// 1. A run that cannot be admitted gets no further.
	if !p.admit() {
		p.derive()
		return p.plan()
	}
	// 2. Every trial moves on with what was seen and reported of it.
	for i := range p.next.Trials {
		t := &p.next.Trials[i]
		p.fold(t)
		p.advance(t)
	}
	// 3. Places that are free are given to trials that wait.
	p.start()
	// 4. The best of what is there; final once everything has ended and was read.
	p.selectBest()
	p.end()
	// 5. Conditions, phase and counters follow from the trials.
	p.derive()
	return p.plan()
}

// planner carries one plan while it is made.
type planner struct {
	Input
	next    *api.TrainingRunStatus
	best    map[string]*Measured // each trial's best, in full precision
	final   bool                 // the run ends with this plan
	events  []Event
	actions []Action
	retries []wire.Class
	after   time.Duration
}

func (p *planner) plan() Plan {
	return Plan{Status: *p.next, Events: p.events, Actions: p.actions, Retries: p.retries, After: p.after}
}

func (p *planner) event(warning bool, reason, format string, args ...any) {
	p.events = append(p.events, Event{Warning: warning, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// about is an event of one attempt.
func (p *planner) about(t *api.TrialStatus, warning bool, reason, format string, args ...any) {
	p.event(warning, reason, t.Name+format, args...)
	p.events[len(p.events)-1].Job = JobName(p.Run.Name, t.Name, t.Attempt)
}

// again asks for another plan within d.
func (p *planner) again(d time.Duration) {
	if p.after == 0 || d < p.after {
		p.after = max(d, time.Millisecond)
	}
}

// now has the precision that the API server keeps, so that what is written equals what is read back.
func (p *planner) now() *metav1.Time { return moment(p.Now) }

func moment(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
