package runstate

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// NoBest says why a run has no best checkpoint.
func NoBest(r *api.TrainingRun, inNamespace string) error {
	over, _ := Ended(r)
	if !over {
		return fmt.Errorf("run %q has no checkpoint yet: it is %s\nFollow it: plumb watch %s%s",
			r.Name, Phase(r), r.Name, inNamespace)
	}
	why := ConditionMessage(r.Status.Conditions, api.ConditionBestSelected, metav1.ConditionFalse)
	if why == "" {
		why = ConditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue)
	}
	return fmt.Errorf("run %q ended without a best checkpoint: %s\nSee its trials: plumb watch %s%s",
		r.Name, why, r.Name, inNamespace)
}

// NoTrial says that a run has no trial of that name.
func NoTrial(r *api.TrainingRun, name string) error {
	return fmt.Errorf("run %q has no trial %q\nIts trials: %s", r.Name, name, TrialNames(r))
}

// RefuseEnded refuses what could not have an effect: a run that has ended stays as it is.
func RefuseEnded(r *api.TrainingRun, inNamespace string) error {
	if over, _ := Ended(r); over {
		return fmt.Errorf("run %q has ended (%s), which nothing changes\n"+
			"Another run from its checkpoints: plumb retry %s%s",
			r.Name, Phase(r), r.Name, inNamespace)
	}
	return nil
}
