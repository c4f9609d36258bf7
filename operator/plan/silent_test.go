package plan

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

func TestATrialThatIsSilent(t *testing.T) {
	heard := epoch0.Add(time.Minute)
	for name, tc := range map[string]struct {
		now    time.Duration // after it was heard
		change func(*world)
		want   string // reason of MetricsHealthy
	}{
		"it was heard a moment ago":        {time.Minute, func(*world) {}, "ReportsArrive"},
		"it has been silent for long":      {silentAfter, func(*world) {}, "TrialsSilent"},
		"NATS came back a moment ago":      {time.Hour, func(w *world) { w.stream.Since = heard.Add(time.Hour - time.Second) }, "ReportsArrive"},
		"NATS is away":                     {time.Hour, func(w *world) { w.stream.Connected = false }, "StreamUnavailable"},
		"another attempt has not told yet": {time.Hour, func(w *world) { w.run.Status.Trials[0].Attempt = 2 }, "ReportsArrive"},
		"nobody knows when it was heard":   {time.Hour, func(w *world) { w.hear(time.Time{}) }, "ReportsArrive"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 18)
			w.step("the run is applied")
			w.schedule()
			w.report("d18", 1, 0.7)
			w.hear(heard)
			w.step("an epoch is reported")
			w.now = heard.Add(tc.now)
			tc.change(w)
			p := Make(w.input())
			c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
			if c == nil || c.Reason != tc.want {
				t.Errorf("MetricsHealthy is %+v", c)
			}
			if name == "it was heard a moment ago" && p.After != silentAfter-tc.now {
				t.Errorf("looked at again after %s", p.After)
			}
		})
	}
}

// A credential that is refused from the first moment on looks like a trial that still reads its data, until that takes
// too long.
func TestATrialThatIsNeverHeard(t *testing.T) {
	w := newWorld(t, 18)
	w.step("the run is applied")
	w.schedule()
	w.step("its pod runs")
	for after, want := range map[time.Duration]string{firstReportWithin - time.Second: "ReportsArrive", firstReportWithin: "TrialsSilent"} {
		w.now = epoch0.Add(after)
		c := meta.FindStatusCondition(Make(w.input()).Status.Conditions, api.ConditionMetricsHealthy)
		if c == nil || c.Reason != want {
			t.Errorf("after %s MetricsHealthy is %+v", after, c)
		}
	}
}

func (w *world) hear(at time.Time) {
	r := w.reports.Trials["d18"]
	r.Heard = at
	w.reports.Trials["d18"] = r
}
