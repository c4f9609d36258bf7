package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/wire"
)

// Each attempt says what it took; what those took that status keeps no more is still in the trial's cost.
func TestWhatAttemptsTake(t *testing.T) {
	w := newWorld(t, 18)
	w.run.Spec.Template.Resources.Limits = corev1.ResourceList{api.ResourceGPU: resource.MustParse("2")}
	w.run.Spec.Hyperparameters.Epochs = ptr.To(int32(100))
	w.step("the run is applied; a pod has two GPUs")
	const attempts = maxAttempts + 4
	for n := range attempts - 1 {
		w.schedule()
		w.began("d18", n)
		w.report("d18", n+1, 0.6)
		w.after(time.Minute)
		w.pod("d18").DeletionTimestamp = decision.Time(w.now)
		w.exit("d18", wire.ExitInterrupted, "Error", wire.Result{Reason: "Interrupted", Message: "stopped by SIGTERM"})
		w.step("its node is drained after a minute")
		if b := w.run.Status.Best; b.AUCPRPerGPUHour != "" {
			t.Fatalf("the best of a trial that goes on has a yield: %s", b.AUCPRPerGPUHour)
		}
		w.after(5 * time.Second)
		w.step("another attempt starts")
	}
	w.schedule()
	w.began("d18", attempts-1)
	w.report("d18", attempts, 0.9)
	w.after(10 * time.Minute)
	w.finished("d18")
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.reports.Drained = true
	w.step("it ends")

	trial := w.run.Status.Trials[0]
	var kept int64
	for _, a := range trial.Attempts {
		kept += a.GPUSeconds
	}
	const all = 2 * ((attempts-1)*60 + 600)
	if n := len(trial.Attempts); n != maxAttempts || kept != all-4*2*60 || trial.Cost.GPUSeconds != all || w.run.Status.Cost.GPUSeconds != all {
		t.Errorf("%d attempts are kept, which took %d GPU-seconds of the trial's %d", n, kept, trial.Cost.GPUSeconds)
	}
	if last := trial.Attempts[maxAttempts-1]; last.Number != attempts || last.GPUSeconds != 1200 {
		t.Errorf("the last attempt: %+v", last)
	}
	if got, want := w.run.Status.Best.AUCPRPerGPUHour, api.FormatDecimal(0.9*3600/all); got != want {
		t.Errorf("the best's yield is %s, want %s", got, want)
	}
}

// Without GPUs there is nothing to divide by.
func TestWithoutGPUsThereIsNoYield(t *testing.T) {
	w := newWorld(t, 18)
	w.step("the run is applied")
	w.schedule()
	w.after(time.Minute)
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("it ends")
	if s := w.run.Status; s.Best.AUCPRPerGPUHour != "" || s.Trials[0].Attempts[0].GPUSeconds != 0 || s.Cost.PodSeconds != 60 {
		t.Errorf("best %+v, cost %+v", s.Best, s.Cost)
	}
}
