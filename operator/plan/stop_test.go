package plan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Stories of TestStories about runs and trials that users, limits or the cohort rule stop or suspend.

func suspendedRun(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.Template.Resources.Limits = corev1.ResourceList{api.ResourceGPU: resource.MustParse("1")}
	w.step("the run is applied")
	w.schedule()
	w.began("d18", 0)
	w.report("d18", 1, 0.61)
	w.step("d18 reports")
	w.after(time.Minute)
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends the run")
	w.after(10 * time.Second)
	w.saved()
	w.step("both pods have written a checkpoint and ended")
	w.after(time.Hour)
	w.step("an hour passes")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("somebody resumes the run")
	w.schedule()
	w.began("d18", 1)
	w.report("d18", 2, 0.7)
	w.after(time.Minute)
	w.step("d18 has resumed from its checkpoint")
}

func keepsItsPlace(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("the run is applied; parallelism is 1")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("d18 trains")
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends the run")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("somebody resumes the run before d18 has ended: d34 must not take its place")
	w.saved()
	w.after(5 * time.Second)
	w.step("d18 has written a checkpoint and ended")
}

func stoppedByHand(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.report("d34", 1, 0.6)
	w.step("both report")
	w.run.Spec.StopTrials = []api.TrialName{"d34"}
	w.step("somebody stops d34")
	w.after(5 * time.Second)
	w.report("d34", 2, 0.85)
	w.saved()
	w.step("d34 has finished an epoch, written a checkpoint and ended")
	w.run.Spec.StopTrials = nil
	w.step("d34 is removed from stopTrials: it stays stopped")
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("d18 finishes")
}

func deadline(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.ActiveDeadlineSeconds = ptr.To(int64(600))
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.step("d18 reports")
	w.after(10 * time.Minute)
	w.step("the deadline has passed")
	w.after(10 * time.Second)
	w.saved()
	w.reports.Drained = true
	w.step("the pods are gone")
}

func tooManyFail(w *world) {
	none := ptr.To(int32(0))
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxFailedTrials: none, MaxRetries: none}
	w.step("the run is applied; no trial may fail")
	w.schedule()
	w.report("d34", 1, 0.7)
	w.exit("d18", wire.ExitDiverged, "Error", resultDiverged)
	w.step("d18 diverges")
	w.after(time.Second)
	w.saved()
	w.reports.Drained = true
	w.step("the other two have written a checkpoint and ended")
}

func cannotSucceed(w *world) {
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MinSucceededTrials: ptr.To(int32(3))}
	w.step("the run is applied; all three trials must succeed")
	w.schedule()
	w.report("d34", 1, 0.7)
	w.exit("d18", wire.ExitDiverged, "Error", resultDiverged)
	w.step("d18 diverges, so the run can no longer succeed")
}

func cohort(w *world, dryRun bool) {
	w.run.Spec.EarlyStopping = &api.EarlyStopping{Cohort: &api.CohortStopping{GraceEpochs: 1, DryRun: dryRun}}
	w.step("the run is applied")
	w.schedule()
	for trial, v := range map[string]float64{"d18": 0.70, "d34": 0.72, "d50": 0.3} {
		w.report(trial, 1, v)
	}
	w.step("all report their first epoch, which is the grace period")
	w.report("d50", 2, 0.4)
	w.report("d18", 2, 0.75)
	w.step("two trials have reached the second epoch: too few to compare")
	w.report("d34", 2, 0.75)
	w.step("all have reached the second epoch")
}

func cohortStops(w *world) { cohort(w, false) }

func cohortDryRun(w *world) {
	cohort(w, true)
	w.report("d50", 3, 0.9)
	w.finish("d18", 4)
	w.finish("d34", 4)
	w.finish("d50", 4)
	w.reports.Drained = true
	w.step("d50 continued and became the best")
}
