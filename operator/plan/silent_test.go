package plan

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// A training trial that sends no report for too long counts as silent, unless there is an explanation.
func TestATrialThatIsSilent(t *testing.T) {
	heard := epoch0.Add(time.Minute)
	for name, tc := range map[string]struct {
		now    time.Duration // since the last report
		change func(*world)  // nil: nothing
		want   string        // reason of MetricsHealthy
	}{
		"the last report came a moment ago": {
			now:  time.Minute,
			want: "ReportsArrive",
		},
		"the last report came long ago": {
			now:  silentAfter,
			want: "TrialsSilent",
		},
		"NATS came back a moment ago": {
			now:    time.Hour,
			change: func(w *world) { w.stream.Since = heard.Add(time.Hour - time.Second) },
			want:   "ReportsArrive",
		},
		"NATS is away": {
			now:    time.Hour,
			change: func(w *world) { w.stream.Connected = false },
			want:   "StreamUnavailable",
		},
		"a new attempt has not reported yet": {
			now:    time.Hour,
			change: func(w *world) { w.run.Status.Trials[0].Attempt = 2 },
			want:   "ReportsArrive",
		},
		"the time of the last report is not known": {
			now:    time.Hour,
			change: func(w *world) { w.hear(time.Time{}) },
			want:   "ReportsArrive",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 18)
			w.step("the run is applied")
			w.schedule()
			w.report("d18", 1, 0.7)
			w.hear(heard)
			w.step("an epoch is reported")
			w.now = heard.Add(tc.now)
			if tc.change != nil {
				tc.change(w)
			}
			p := Make(w.input())
			c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
			if c == nil || c.Reason != tc.want {
				t.Errorf("MetricsHealthy is %+v", c)
			}
			if name == "the last report came a moment ago" && p.After != silentAfter-tc.now {
				t.Errorf("the next plan is due after %s", p.After)
			}
		})
	}
}

// A pod whose credential NATS refuses from the start looks like a pod that still reads its data, until reading takes
// too long.
func TestATrialThatNeverReports(t *testing.T) {
	w := newWorld(t, 18)
	w.step("the run is applied")
	w.schedule()
	w.step("its pod runs")
	for after, want := range map[time.Duration]string{
		firstReportWithin - time.Second: "ReportsArrive",
		firstReportWithin:               "TrialsSilent",
	} {
		w.now = epoch0.Add(after)
		c := meta.FindStatusCondition(Make(w.input()).Status.Conditions, api.ConditionMetricsHealthy)
		if c == nil || c.Reason != want {
			t.Errorf("after %s MetricsHealthy is %+v", after, c)
		}
	}
}

// hear sets when the latest report of d18 arrived.
func (w *world) hear(at time.Time) {
	r := w.reports.Trials["d18"]
	r.Heard = at
	w.reports.Trials["d18"] = r
}
