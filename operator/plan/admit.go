package plan

import (
	"errors"
	"slices"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

// admitEvery is how often a run is planned again while it cannot be admitted because something in the installation does
// not work.
const admitEvery = 5 * time.Second

// admitted is the message of the condition Admitted while it is true.
const admitted = "the settings are valid and the credential exists"

// admit creates the record of a run and reports whether the run is admitted. The record holds the run's trials and the
// position in the stream where its reports begin. admit creates it once, before anything else is created, so that no
// report of the run can precede that position.
func (p *planner) admit() bool {
	if p.next.StartTime != nil {
		p.setCondition(api.ConditionAdmitted, true, "Admitted", admitted)
		return true
	}
	trials, err := p.newTrials()
	switch {
	case err != nil:
		p.endAsInvalid(err.Error())
		return false
	case p.Admission != nil:
		p.planAgainIn(admitEvery)
		p.refuse("NotReady", p.Admission.Error())
		return false
	case p.Stream.ID == "":
		p.planAgainIn(admitEvery)
		p.refuse("StreamUnavailable", "the report stream has not been reached yet: "+p.Stream.Problem)
		return false
	}
	p.next.StartTime = p.timestamp()
	p.next.Stream = &api.StreamPosition{ID: p.Stream.ID, Sequence: p.Stream.Next}
	p.next.Trials = trials
	p.setCondition(api.ConditionAdmitted, true, "Admitted", admitted)
	p.addEvent(decision.Normal, "Admitted", "depths to train: %v", p.Run.Spec.Depths)
	return true
}

// endAsInvalid ends a run with invalid settings. It can never be admitted, because its settings are immutable.
func (p *planner) endAsInvalid(message string) {
	p.refuse("InvalidSettings", message)
	p.setCondition(api.ConditionSucceeded, false, "InvalidSettings", message)
	p.setCondition(api.ConditionFailed, true, "InvalidSettings", message)
	p.next.CompletionTime = p.timestamp()
}

// refuse sets the condition Admitted to false, with an event if the reason is new.
func (p *planner) refuse(reason, message string) {
	if decision.ReasonOf(p.next.Conditions, api.ConditionAdmitted) != reason {
		p.addEvent(decision.Warning, reason, "%s", message)
	}
	p.setCondition(api.ConditionAdmitted, false, reason, message)
}

// newTrials returns the run's trials before their first attempt. The error names all settings that are invalid.
func (p *planner) newTrials() ([]api.TrialStatus, error) {
	depths := slices.Clone(p.Run.Spec.Depths)
	if len(depths) == 0 { // a run without depths trains all of them; the CRD has the same default
		for _, d := range wire.Depths {
			depths = append(depths, api.Depth(d))
		}
	}
	var trials []api.TrialStatus
	var errs []error
	for _, d := range depths {
		t, err := resolve.Trial(p.Run, d, 1, p.Installation)
		errs = append(errs, err)
		trials = append(trials, api.TrialStatus{
			Name:   wire.TrialName(int(d)),
			Depth:  d,
			Phase:  api.TrialWaiting,
			Reason: "Queued",
			Epochs: int32(t.Hyperparameters.Epochs),
		})
	}
	return trials, errors.Join(errs...)
}
