package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// Writing a status again counts nothing again. Neither does an attempt that is no longer in the record.
func TestEachEndIsCountedOnce(t *testing.T) {
	end := metav1.Now()
	ended := func(n int32, class wire.Class) api.AttemptStatus {
		return api.AttemptStatus{Number: n, Class: string(class), EndTime: &end}
	}
	status := func(cost *api.Cost, attempts ...api.AttemptStatus) *api.TrainingRunStatus {
		return &api.TrainingRunStatus{Cost: cost, Trials: []api.TrialStatus{{Name: "d18", Attempts: attempts}}}
	}
	first := status(nil, api.AttemptStatus{Number: 1})
	second := status(&api.Cost{GPUSeconds: 60}, ended(1, wire.ClassMemory), api.AttemptStatus{Number: 2})
	finishing := status(&api.Cost{GPUSeconds: 80}, ended(1, wire.ClassMemory), ended(2, wire.ClassSucceeded))
	finishing.Trials[0].Phase, finishing.Trials[0].Attempt = api.TrialFinishing, 2
	lost := status(&api.Cost{GPUSeconds: 80}, ended(2, wire.ClassReports), api.AttemptStatus{Number: 3})
	third := status(&api.Cost{GPUSeconds: 100, LostGPUSeconds: 20}, ended(3, wire.ClassSucceeded))
	third.Phase, third.CompletionTime = api.RunSucceeded, &end

	before := counted(t)
	countChanges(&api.TrainingRunStatus{}, first, plan.Plan{})
	countChanges(first, second, plan.Plan{Retries: []wire.Class{wire.ClassMemory}})
	countChanges(second, second, plan.Plan{})
	countChanges(second, finishing, plan.Plan{})
	countChanges(finishing, lost, plan.Plan{Retries: []wire.Class{wire.ClassReports}})
	countChanges(lost, third, plan.Plan{})
	countChanges(third, third, plan.Plan{})
	got := counted(t)
	for name, n := range got {
		if got[name] = n - before[name]; got[name] == 0 {
			delete(got, name)
		}
	}
	want := map[string]float64{
		"plumbline_attempts_ended_total OutOfMemory":    1,
		"plumbline_attempts_ended_total ReportsLost":    1,
		"plumbline_attempts_ended_total Succeeded":      1,
		"plumbline_trial_retries_total OutOfMemory":     1,
		"plumbline_trial_retries_total ReportsLost":     1,
		"plumbline_training_runs_ended_total Succeeded": 1,
		"plumbline_gpu_seconds_total":                   100,
		"plumbline_lost_gpu_seconds_total":              20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCountPhases(t *testing.T) {
	end := metav1.Now()
	scheme := runtime.NewScheme()
	if err := api.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	run := func(name string, phase api.RunPhase, end *metav1.Time, gaps int64) *api.TrainingRun {
		return &api.TrainingRun{
			ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: name},
			Status: api.TrainingRunStatus{
				Phase:          phase,
				CompletionTime: end,
				Trials: []api.TrialStatus{
					{Name: "d18", Phase: api.TrialRunning, Gaps: gaps},
					{Name: "d34", Phase: api.TrialWaiting},
				},
			},
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		run("a", api.RunRunning, nil, 2),
		run("b", api.RunRunning, nil, 1),
		run("c", api.RunFailed, &end, 9),
	).Build()
	got := CountPhases(c)()
	want := metrics.Counts{
		Runs: map[string]int{"Pending": 0, "Running": 2, "Suspended": 0, "Succeeded": 0, "Failed": 1},
		Trials: map[string]int{
			"Waiting": 3, "Starting": 0, "Running": 3, "Finishing": 0,
			"Stopping": 0, "Succeeded": 0, "Failed": 0, "Stopped": 0,
		},
		Missing: 3, // without those of the run that has ended
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// counted returns the values of the metrics that countChanges changes, by name and label value.
func counted(t *testing.T) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.Attempts, metrics.Retries, metrics.Ended, metrics.GPUSeconds, metrics.LostGPUSeconds)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[series(f, m)] = m.GetCounter().GetValue()
		}
	}
	return out
}

func series(f *dto.MetricFamily, m *dto.Metric) string {
	name := f.GetName()
	for _, l := range m.GetLabel() {
		name += " " + l.GetValue()
	}
	return name
}
