package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

func TestFold(t *testing.T) {
	one, two := &reporttest.Writer{Attempt: 1, Pod: "p1"}, &reporttest.Writer{Attempt: 2, Pod: "p2"}
	started := one.Report(wire.ReportStarted, 0)
	first, second, third := one.Epoch(1, 0.6, true), one.Epoch(2, 0.8, true), one.Epoch(3, 0.7, false)
	fourth := one.Epoch(4, 0.9, false) // better, but without a checkpoint
	resumed := two.Report(wire.ReportResumed, 2)
	repeated := two.Repeat(second)
	redone := two.Epoch(3, 0.75, false)
	equal := two.Epoch(4, 0.8, true)
	retrained := (&reporttest.Writer{Attempt: 2, Pod: "p2", Sequence: 9}).Epoch(2, 0.8, true) // no repetition of second
	nan := two.Report(wire.ReportEpoch, 5)
	nan.NotFinite = "loss is NaN"
	finished := two.Report(wire.ReportFinished, 8)
	finished.Test = &wire.Metrics{AUCPR: 0.66}

	type want struct {
		Epoch, Attempt           int
		Best                     string // epoch and checkpoint
		Last                     string
		Curve                    []float64
		NotFinite                string
		Finished                 bool
		Folded, Gaps, Duplicates int64
		Test                     float64
	}
	for name, tc := range map[string]struct {
		reports []wire.Report
		want    want
	}{
		"a writer that has just started": {
			reports: []wire.Report{started},
			want:    want{Attempt: 1, Folded: 1},
		},
		"the best is the highest with a checkpoint": {
			reports: []wire.Report{started, first, second, third, fourth},
			want: want{
				Epoch:   4,
				Attempt: 1,
				Best:    "2 sha256:p12",
				Last:    "4 0.9",
				Curve:   []float64{0.6, 0.8, 0.7, 0.9},
				Folded:  5,
			},
		},
		"reports that are read twice count once": {
			reports: []wire.Report{started, first, first, started, first},
			want: want{
				Epoch:      1,
				Attempt:    1,
				Best:       "1 sha256:p11",
				Last:       "1 0.6",
				Curve:      []float64{0.6},
				Folded:     2,
				Duplicates: 3,
			},
		},
		"a missing report is a gap": {
			reports: []wire.Report{started, third},
			want:    want{Epoch: 3, Attempt: 1, Last: "3 0.7", Curve: []float64{0.7}, Folded: 2, Gaps: 2},
		},
		"a late report closes the gap": {
			reports: []wire.Report{started, third, second, first},
			want: want{
				Epoch:   3,
				Attempt: 1,
				Best:    "2 sha256:p12",
				Last:    "3 0.7",
				Curve:   []float64{0.6, 0.8, 0.7},
				Folded:  4,
			},
		},
		"a resuming writer repeats what is known": {
			reports: []wire.Report{started, first, second, resumed, repeated},
			want: want{
				Epoch:      2,
				Attempt:    2,
				Best:       "2 sha256:p12",
				Last:       "2 0.8",
				Curve:      []float64{0.6, 0.8},
				Folded:     4,
				Duplicates: 1,
			},
		},
		"a resuming writer repeats what was lost": {
			reports: []wire.Report{started, first, resumed, repeated},
			want: want{
				Epoch:   2,
				Attempt: 2,
				Best:    "2 sha256:p12",
				Last:    "2 0.8",
				Curve:   []float64{0.6, 0.8},
				Folded:  4,
			},
		},
		"the newer attempt's report of an epoch counts, in any order": {
			reports: []wire.Report{started, first, second, resumed, repeated, redone, third},
			want: want{
				Epoch:      3,
				Attempt:    2,
				Best:       "2 sha256:p12",
				Last:       "3 0.75",
				Curve:      []float64{0.6, 0.8, 0.75},
				Folded:     6,
				Duplicates: 1,
			},
		},
		"of equal values the earlier epoch stays the best": {
			reports: []wire.Report{started, first, second, resumed, repeated, redone, equal},
			want: want{
				Epoch:      4,
				Attempt:    2,
				Best:       "2 sha256:p12",
				Last:       "4 0.8",
				Curve:      []float64{0.6, 0.8, 0.75, 0.8},
				Folded:     6,
				Duplicates: 1,
			},
		},
		"of equal checkpoints the later attempt's is the best": {
			reports: []wire.Report{started, first, second, resumed, retrained},
			want: want{
				Epoch:   2,
				Attempt: 2,
				Best:    "2 sha256:p22",
				Last:    "2 0.8",
				Curve:   []float64{0.6, 0.8},
				Folded:  5,
				Gaps:    8,
			},
		},
		"NaN is a reason and never a value": {
			reports: []wire.Report{resumed, repeated, redone, equal, nan},
			want: want{
				Epoch:     5,
				Attempt:   2,
				Best:      "2 sha256:p12",
				Last:      "4 0.8",
				Curve:     []float64{0.8, 0.75, 0.8},
				NotFinite: "loss is NaN",
				Folded:    5,
			},
		},
		"a finished report has the metrics of the test split": {
			reports: []wire.Report{resumed, repeated, redone, equal, nan, finished},
			want: want{
				Epoch:     8,
				Attempt:   2,
				Best:      "2 sha256:p12",
				Last:      "4 0.8",
				Curve:     []float64{0.8, 0.75, 0.8},
				NotFinite: "loss is NaN",
				Finished:  true,
				Folded:    6,
				Test:      0.66,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := New()
			for _, r := range tc.reports {
				l.Fold(r)
			}
			v := l.View()["d18"]
			got := want{
				Epoch: v.Epoch, Attempt: v.Attempt, NotFinite: v.NotFinite, Finished: v.Finished,
				Folded: v.Folded, Gaps: v.Gaps, Duplicates: v.Duplicates,
			}
			if v.Best != nil {
				got.Best = fmt.Sprint(v.Best.Epoch, " ", v.Best.Checkpoint.Digest)
			}
			if v.Last != nil {
				got.Last = fmt.Sprint(v.Last.Epoch, " ", v.Last.Metrics.AUCPR)
			}
			if v.Test != nil {
				got.Test = v.Test.AUCPR
			}
			for _, m := range v.Curve {
				got.Curve = append(got.Curve, m.Metrics.AUCPR)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEffects(t *testing.T) {
	w := &reporttest.Writer{Attempt: 1, Pod: "p"}
	started := w.Report(wire.ReportStarted, 0)
	first, worse := w.Epoch(1, 0.7, true), w.Epoch(2, 0.6, true)
	heartbeat := w.Report(wire.ReportHeartbeat, 2)
	better := w.Epoch(3, 0.8, true)
	finished := w.Report(wire.ReportFinished, 3)
	l := New()
	for i, step := range []struct {
		r    wire.Report
		want Effect
	}{
		{started, Turn},
		{first, Turn},
		{worse, Progress},
		{heartbeat, Alive},
		{better, Turn},
		{better, Duplicate},
		{finished, Turn},
		{finished, Duplicate},
	} {
		if got := l.Fold(step.r); got != step.want {
			t.Errorf("step %d, %s of epoch %d: %s, want %s", i, step.r.Kind, step.r.Epoch, got, step.want)
		}
	}
}

// A run that resumes from an older run repeats that run's reports. Each counts once, however many attempts repeat it.
// The best keeps the location of the older run's checkpoint. No attempt is credited with epochs that it did not train.
func TestAnOlderRunsReportsCountOnce(t *testing.T) {
	older := &reporttest.Writer{Attempt: 3, Pod: "old"}
	history := []wire.Report{older.Report(wire.ReportStarted, 0), older.Epoch(1, 0.6, true), older.Epoch(2, 0.8, true)}
	one, two := &reporttest.Writer{Attempt: 1, Pod: "p1"}, &reporttest.Writer{Attempt: 2, Pod: "p2"}
	reports := []wire.Report{one.Report(wire.ReportResumed, 2)}
	for i, r := range history {
		history[i] = one.Repeat(r)
	}
	reports = append(reports, history...)
	third := one.Epoch(3, 0.7, false)
	reports = append(reports, third, two.Report(wire.ReportResumed, 3), two.Repeat(reports[0]))
	for _, r := range append(history, third) {
		reports = append(reports, two.Repeat(r))
	}
	for name, order := range map[string]func([]wire.Report){
		"in order":   func([]wire.Report) {},
		"in reverse": slices.Reverse[[]wire.Report],
	} {
		all := slices.Clone(reports)
		order(all)
		l := New()
		for _, r := range all {
			l.Fold(r)
		}
		v := l.View()["d18"]
		if v.Epoch != 3 || v.Folded != 6 || v.Duplicates != 5 || v.Gaps != 0 || v.Finished {
			t.Errorf("%s: %+v", name, v)
		}
		if v.Best == nil || v.Best.Epoch != 2 || v.Best.Checkpoint.URI != "file:///c/d18-a3-old/e2" {
			t.Errorf("%s: the best is %+v", name, v.Best)
		}
		attempts := map[int]AttemptReports{1: {From: 2, Epoch: 3}, 2: {From: 3, Epoch: 3}}
		if diff := cmp.Diff(attempts, v.Attempts); diff != "" {
			t.Errorf("%s: attempts:\n%s", name, diff)
		}
	}
}
