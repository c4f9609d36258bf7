package cost

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
)

func TestCostIncludesPodsThatStillRun(t *testing.T) {
	run := clustertest.ReadRun(t, "running") // one GPU a pod
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: clustertest.Now.Add(-d)} }
	for name, test := range map[string]struct {
		trial api.TrialStatus
		want  api.Cost
	}{
		"a trial without an attempt": {api.TrialStatus{Phase: api.TrialWaiting}, api.Cost{}},
		"an attempt that has ended": {
			api.TrialStatus{Cost: &api.Cost{PodSeconds: 50, GPUSeconds: 50, LostSeconds: 9}},
			api.Cost{PodSeconds: 50, GPUSeconds: 50, LostSeconds: 9},
		},
		"an attempt that has ended and one that runs": {
			api.TrialStatus{
				Phase: api.TrialRunning,
				Cost:  &api.Cost{PodSeconds: 50, GPUSeconds: 50},
				Attempts: []api.AttemptStatus{
					{EndTime: ago(0), StartTime: ago(time.Hour)},
					{StartTime: ago(time.Minute)},
				},
			},
			api.Cost{PodSeconds: 110, GPUSeconds: 110},
		},
		"a pod that no node runs yet": {
			api.TrialStatus{Phase: api.TrialStarting, Attempts: []api.AttemptStatus{{}}},
			api.Cost{},
		},
		"a clock that is behind the cluster's": {
			api.TrialStatus{Phase: api.TrialRunning, Attempts: []api.AttemptStatus{{StartTime: ago(-time.Minute)}}},
			api.Cost{},
		},
		"a trial that has ended although its last pod has no end time": {
			api.TrialStatus{Phase: api.TrialFailed, Attempts: []api.AttemptStatus{{StartTime: ago(time.Minute)}}},
			api.Cost{},
		},
	} {
		test.trial.Depth = 18
		if diff := cmp.Diff(test.want, Of(run, test.trial, clustertest.Now)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestExpensesAreInGPUHoursOrElsePodHours(t *testing.T) {
	for cost, want := range map[api.Cost][2]string{
		{}:                 {"", ""},
		{PodSeconds: 1800}: {"0.50 pod-hours", ""},
		{PodSeconds: 3600, GPUSeconds: 7200, LostSeconds: 360, LostGPUSeconds: 720}: {"2.00 GPU-hours", "10%"},
		{PodSeconds: 1e6, GPUSeconds: 1e6}:                                          {"278 GPU-hours", ""},
	} {
		e := ExpenseOf(cost)
		if got := [2]string{e.String(), e.LostShare()}; got != want {
			t.Errorf("%+v: %q, want %q", cost, got, want)
		}
	}
}

func TestAUCPRPerGPUHour(t *testing.T) {
	for name, test := range map[string]struct {
		inStatus   api.Decimal
		gpuSeconds int64 // of the trial
		want       string
	}{
		"status does not have it yet":                         {"", 3600, ""},
		"it has three digits":                                 {"13.6969", 3600, "13.7"},
		"a small one too":                                     {"0.0029", 3600, "0.0029"},
		"it is shown from 0.1 GPU-hours on":                   {"8.766", 360, "8.77"},
		"it says nothing about a trial that took less":        {"8.7904", 359, ""},
		"nor about a trial whose GPU-hours are not known yet": {"8.7904", 0, ""},
	} {
		got := AUCPRPerGPUHour(api.Best{AUCPRPerGPUHour: test.inStatus}, api.Cost{GPUSeconds: test.gpuSeconds})
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
