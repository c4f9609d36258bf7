package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/plan"
)

// maxNote is how many bytes the API server accepts in an Event's note.
const maxNote = 1024

// writeStatus writes the planned status if it differs from the run's, and then records the events and the metrics. It
// is the only write to status in a reconcile. If somebody changed the run meanwhile, the write fails with a conflict,
// and writeStatus records nothing.
func (r *TrainingRunReconciler) writeStatus(
	ctx context.Context, run *api.TrainingRun, p plan.Plan,
) (written bool, err error) {
	if equality.Semantic.DeepEqual(run.Status, p.Status) {
		return false, nil
	}
	before := run.Status
	run.Status = p.Status
	failpoint.Here("status.before")
	if err := r.Client.Status().Update(ctx, run); err != nil {
		return false, fmt.Errorf("write the status of TrainingRun %s: %w", run.Name, err)
	}
	failpoint.Here("status.after")
	countChanges(&before, &p.Status, p)
	recordEvents(ctx, r.Recorder, run, p.Events)
	return true, nil
}

// shorten cuts a text to the length that an Event's note may have.
func shorten(s string) string {
	if len(s) <= maxNote {
		return s
	}
	return string([]rune(s)[:maxNote/4-1]) + "…" // a character has at most four bytes
}

// recordEvents writes each event to Kubernetes and to the log.
func recordEvents(ctx context.Context, recorder events.EventRecorder, about client.Object, all []decision.Event) {
	for _, e := range all {
		var related runtime.Object
		if e.Job != "" {
			related = &corev1.ObjectReference{
				APIVersion: "batch/v1", Kind: "Job", Namespace: about.GetNamespace(), Name: e.Job,
			}
		}
		recorder.Eventf(about, related, string(e.Severity), e.Reason, "Reconcile", "%s", shorten(e.Message))
		log.FromContext(ctx).Info(e.Message, "reason", e.Reason)
	}
}
