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

// Each attempt's record has its GPU-seconds. The trial's cost also has those of the attempts that status no longer
// keeps.
func TestCostOfAttempts(t *testing.T) {
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
		w.exit("d18", wire.ExitInterrupted, "Error", resultInterrupted)
		w.step("its node is drained after a minute")
		if b := w.run.Status.Best; b.AUCPRPerGPUHour != "" {
			t.Fatalf("the best of a trial that has not ended has an AUC-PR per GPU-hour: %s", b.AUCPRPerGPUHour)
		}
		w.after(5 * time.Second)
		w.step("another attempt starts")
	}
	w.schedule()
	w.began("d18", attempts-1)
	w.report("d18", attempts, 0.9)
	w.after(10 * time.Minute)
	w.finished("d18")
	w.exit("d18", 0, "Completed", resultFinished)
	w.reports.Drained = true
	w.step("it ends")

	trial := w.run.Status.Trials[0]
	var kept int64
	for _, a := range trial.Attempts {
		kept += a.GPUSeconds
	}
	const all = 2 * ((attempts-1)*60 + 600)
	if n := len(trial.Attempts); n != maxAttempts || kept != all-4*2*60 {
		t.Errorf("status keeps %d attempts, which took %d GPU-seconds", n, kept)
	}
	if ofTrial, ofRun := trial.Cost.GPUSeconds, w.run.Status.Cost.GPUSeconds; ofTrial != all || ofRun != all {
		t.Errorf("the trial took %d GPU-seconds and the run %d, want %d", ofTrial, ofRun, all)
	}
	if last := trial.Attempts[maxAttempts-1]; last.Number != attempts || last.GPUSeconds != 1200 {
		t.Errorf("the last attempt: %+v", last)
	}
	if got, want := w.run.Status.Best.AUCPRPerGPUHour, api.FormatDecimal(0.9*3600/all); got != want {
		t.Errorf("the AUC-PR per GPU-hour is %s, want %s", got, want)
	}
}

// A run without GPUs has no GPU-hours to divide by.
func TestWithoutGPUsThereIsNoAUCPRPerGPUHour(t *testing.T) {
	w := newWorld(t, 18)
	w.step("the run is applied")
	w.schedule()
	w.after(time.Minute)
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("it ends")
	s := w.run.Status
	if s.Best.AUCPRPerGPUHour != "" || s.Trials[0].Attempts[0].GPUSeconds != 0 || s.Cost.PodSeconds != 60 {
		t.Errorf("best %+v, cost %+v", s.Best, s.Cost)
	}
}
