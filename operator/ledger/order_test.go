package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

// The view depends neither on the order in which reports arrive nor on how often each arrives.
func FuzzFoldIgnoresOrder(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		reports := reporttest.ThreeAttempts(rng)
		want := fold(reports)
		rng.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		if diff := cmp.Diff(want, fold(reports)); diff != "" {
			t.Errorf("in another order: %s", diff)
		}
		for range 10 {
			reports = append(reports, reports[rng.IntN(len(reports))])
		}
		ignore := cmpopts.IgnoreFields(TrialReports{}, "Duplicates")
		got := fold(reports)
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Errorf("with some of them repeated: %s", diff)
		}
		if n := got["d18"].Duplicates - want["d18"].Duplicates; n != 10 {
			t.Errorf("%d duplicates, want 10 more", n)
		}
	})
}

// An older attempt's report of an epoch never replaces a newer attempt's, even if it arrives last or several times.
func FuzzLateReportsOfOlderAttempts(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		reports := reporttest.ThreeAttempts(rng)
		newest := map[int]wire.Report{} // by epoch: the newest attempt's report, be it its own or a repetition
		for _, r := range reports {
			if r.Kind == wire.ReportEpoch && r.Attempt >= newest[r.Epoch].Attempt {
				newest[r.Epoch] = r
			}
		}
		var late, all []wire.Report
		for _, r := range reports {
			if r.Attempt < 3 {
				late = append(late, r)
			} else {
				all = append(all, r)
			}
		}
		rng.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
		all = append(append(all, late...), late...) // the newest attempt's first, then everything older, twice
		got := fold(all)["d18"]
		for _, m := range got.Curve {
			if want := newest[m.Epoch]; m.Metrics != *want.Metrics {
				t.Errorf("epoch %d shows %v, but attempt %d reported %v",
					m.Epoch, m.Metrics.AUCPR, want.Attempt, want.Metrics.AUCPR)
			}
		}
		if got.Attempt != 3 || got.Digests == nil {
			t.Errorf("the newest attempt that has reported is %d, want 3; digests %v", got.Attempt, got.Digests)
		}
		ignore := cmpopts.IgnoreFields(TrialReports{}, "Duplicates")
		if diff := cmp.Diff(fold(reports)["d18"], got, ignore); diff != "" {
			t.Errorf("compared with the order in which the reports were written:\n%s", diff)
		}
	})
}

func fold(reports []wire.Report) map[string]TrialReports {
	l := New()
	for _, r := range reports {
		l.Fold(r)
	}
	return l.View()
}
