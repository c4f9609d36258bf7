package cost

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
)

func TestWhatAPodThatRunsHasCostSoFarIsCountedIn(t *testing.T) {
	run := clustertest.ReadRun(t, "running") // one GPU a pod
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: clustertest.Noon.Add(-d)} }
	for name, test := range map[string]struct {
		trial api.TrialStatus
		want  api.Cost
	}{
		"nothing yet": {api.TrialStatus{Phase: api.TrialWaiting}, api.Cost{}},
		"what has ended": {
			api.TrialStatus{Cost: &api.Cost{PodSeconds: 50, GPUSeconds: 50, LostSeconds: 9}},
			api.Cost{PodSeconds: 50, GPUSeconds: 50, LostSeconds: 9},
		},
		"and what has not": {
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
		"a pod that no node has taken": {
			api.TrialStatus{Phase: api.TrialStarting, Attempts: []api.AttemptStatus{{}}},
			api.Cost{},
		},
		"a clock that is behind": {
			api.TrialStatus{Phase: api.TrialRunning, Attempts: []api.AttemptStatus{{StartTime: ago(-time.Minute)}}},
			api.Cost{},
		},
		"a trial that has ended, whose last pod nobody saw end": {
			api.TrialStatus{Phase: api.TrialFailed, Attempts: []api.AttemptStatus{{StartTime: ago(time.Minute)}}},
			api.Cost{},
		},
	} {
		test.trial.Depth = 18
		if diff := cmp.Diff(test.want, Of(run, test.trial, clustertest.Noon)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestExpensesAreInTheUnitThatMatters(t *testing.T) {
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

func TestTheYieldIsWhatStatusSays(t *testing.T) {
	for said, want := range map[api.Decimal]string{
		"":        "",
		"13.6969": "13.7 AUC-PR per GPU-hour",
		"0.0029":  "0.0029 AUC-PR per GPU-hour",
	} {
		if got := Yield(api.Best{AUCPRPerGPUHour: said}); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
