package runstate

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// NoBest returns the error for a run that has no best checkpoint, with the reason. namespaceFlag is the flag -n to
// repeat in the proposed command.
func NoBest(r *api.TrainingRun, namespaceFlag string) error {
	over, _ := Ended(r)
	if !over {
		return fmt.Errorf("run %q has no checkpoint yet: it is %s\nTo follow it: plumb watch %s%s",
			r.Name, Phase(r), r.Name, namespaceFlag)
	}
	why := ConditionMessage(r.Status.Conditions, api.ConditionBestSelected, metav1.ConditionFalse)
	if why == "" {
		why = ConditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue)
	}
	return fmt.Errorf("run %q ended without a best checkpoint: %s\nTo see its trials: plumb watch %s%s",
		r.Name, why, r.Name, namespaceFlag)
}

// NoTrial returns the error for a trial that the run does not have. It names the trials of the run.
func NoTrial(r *api.TrainingRun, name string) error {
	return fmt.Errorf("run %q has no trial %q\nIts trials: %s", r.Name, name, TrialNames(r))
}

// RefuseEnded returns an error if the run has ended, because a change to it would have no effect. namespaceFlag is the
// flag -n to repeat in the proposed command.
func RefuseEnded(r *api.TrainingRun, namespaceFlag string) error {
	if over, _ := Ended(r); over {
		return fmt.Errorf("run %q has ended (%s) and cannot be changed any more\n"+
			"To start another run from its checkpoints: plumb retry %s%s",
			r.Name, Phase(r), r.Name, namespaceFlag)
	}
	return nil
}
