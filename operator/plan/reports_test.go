package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/ledger"
)

func TestThinCurveKeepsBothEndsAndTheBest(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 500, 10000} {
		var curve []api.CurvePoint
		for e := 1; e <= n; e++ {
			curve = append(curve, api.CurvePoint{Epoch: int32(e), AUCPR: "0.5"})
		}
		for _, best := range []int{1, 2, 3, n / 3, n/2 + 1, n - 1, n} {
			if best < 1 || best > n {
				continue
			}
			got := thinCurve(curve, &ledger.Measured{Epoch: best})
			epochs := map[int32]bool{}
			for i, p := range got {
				epochs[p.Epoch] = true
				if i > 0 && p.Epoch <= got[i-1].Epoch {
					t.Fatalf("%d points, best %d: epoch %d comes after %d", n, best, p.Epoch, got[i-1].Epoch)
				}
			}
			if len(got) != min(n, maxCurve) || !epochs[1] || !epochs[int32(n)] || !epochs[int32(best)] {
				t.Errorf("%d points, best %d: %d are kept; the first is kept: %v, the last: %v, the best: %v",
					n, best, len(got), epochs[1], epochs[int32(n)], epochs[int32(best)])
			}
		}
	}
}

func TestMergeCurves(t *testing.T) {
	remembered := []api.CurvePoint{{Epoch: 1, AUCPR: "0.1000"}, {Epoch: 2, AUCPR: "0.2000"}}
	reported := []ledger.Measured{{Epoch: 2}, {Epoch: 4}}
	want := []api.CurvePoint{{Epoch: 1, AUCPR: "0.1000"}, {Epoch: 2, AUCPR: "0.0000"}, {Epoch: 4, AUCPR: "0.0000"}}
	if diff := cmp.Diff(want, mergeCurves(remembered, reported)); diff != "" {
		t.Error(diff)
	}
}

// A restarted operator reads a stream that has dropped reports which the earlier operator had read. They do not count
// as missing.
func TestDroppedReportsAreNotMissing(t *testing.T) {
	w := newWorld(t, 18)
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.report("d18", 2, 0.8)
	w.step("two epochs are reported")
	kept := w.reports.Trials["d18"]
	kept.Folded, kept.Gaps = 1, 2
	w.reports = ledger.Reports{Trials: map[string]ledger.TrialReports{"d18": kept}}
	p := Make(w.input())
	if trial := p.Status.Trials[0]; trial.Gaps != 0 || trial.ReportsSeen < 2 {
		t.Errorf("trial %+v", trial)
	}
	c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
	if c == nil || c.Reason != "ReportsDropped" {
		t.Errorf("MetricsHealthy is %+v", c)
	}
}
