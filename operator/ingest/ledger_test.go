package ingest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

const uid = "11111111-aaaa"

// writer makes the reports that one pod of d18 sends.
type writer struct {
	attempt  int
	pod      string
	sequence int64
}

func (w *writer) report(kind wire.ReportKind, epoch int) wire.Report {
	w.sequence++
	t := wire.Trial{Name: "d18", Attempt: w.attempt}
	return wire.Report{
		Version: wire.Version, Kind: kind, RunUID: uid, Trial: "d18", Depth: 18,
		Attempt: w.attempt, Writer: t.Writer(w.pod), Sequence: w.sequence,
		Epoch: epoch, Epochs: 8, Digests: wire.Digests{Data: "d", Labels: "l", Split: "s"},
	}
}

// epoch returns the report of a measured epoch, which names a committed checkpoint if kept.
func (w *writer) epoch(epoch int, aucPR float64, kept bool) wire.Report {
	r := w.report(wire.ReportEpoch, epoch)
	r.Metrics = &wire.Metrics{AUCPR: aucPR, Loss: 0.5}
	r.Throughput = &wire.Throughput{EpochSeconds: float64(10 * epoch)}
	if kept {
		r.Checkpoint = &wire.CheckpointRef{
			URI:    fmt.Sprintf("file:///c/%s/e%d", r.Writer, epoch),
			Digest: fmt.Sprintf("sha256:%s%d", w.pod, epoch),
		}
	}
	return r
}

// repeat returns w's repetition of another writer's report, of this run or of the run from which it resumes.
func (w *writer) repeat(r wire.Report) wire.Report {
	w.sequence++
	if r.ComputedBy == nil {
		r.ComputedBy = &wire.Origin{Writer: r.Writer, Sequence: r.Sequence}
	}
	t := wire.Trial{Name: "d18", Attempt: w.attempt}
	r.Attempt, r.Writer, r.Sequence = w.attempt, t.Writer(w.pod), w.sequence
	return r
}

func TestFold(t *testing.T) {
	one, two := &writer{attempt: 1, pod: "p1"}, &writer{attempt: 2, pod: "p2"}
	started := one.report(wire.ReportStarted, 0)
	first, second, third := one.epoch(1, 0.6, true), one.epoch(2, 0.8, true), one.epoch(3, 0.7, false)
	fourth := one.epoch(4, 0.9, false) // better, but without a checkpoint
	resumed := two.report(wire.ReportResumed, 2)
	repeated := two.repeat(second)
	redone := two.epoch(3, 0.75, false)
	equal := two.epoch(4, 0.8, true)
	retrained := (&writer{attempt: 2, pod: "p2", sequence: 9}).epoch(2, 0.8, true) // no repetition of second
	nan := two.report(wire.ReportEpoch, 5)
	nan.NotFinite = "loss is NaN"
	finished := two.report(wire.ReportFinished, 8)
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
			l := NewLedger()
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
	w := &writer{attempt: 1, pod: "p"}
	started := w.report(wire.ReportStarted, 0)
	first, worse := w.epoch(1, 0.7, true), w.epoch(2, 0.6, true)
	heartbeat := w.report(wire.ReportHeartbeat, 2)
	better := w.epoch(3, 0.8, true)
	finished := w.report(wire.ReportFinished, 3)
	l := NewLedger()
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

// The same reports give the same view, in whatever order they arrive, and however often each arrives.
func FuzzFoldIgnoresOrder(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		reports := threeAttempts(rng)
		want := fold(reports)
		rng.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		if diff := cmp.Diff(want, fold(reports)); diff != "" {
			t.Errorf("in another order: %s", diff)
		}
		for range 10 {
			reports = append(reports, reports[rng.IntN(len(reports))])
		}
		ignore := cmpopts.IgnoreFields(plan.TrialReports{}, "Duplicates")
		got := fold(reports)
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Errorf("with some of them repeated: %s", diff)
		}
		if n := got["d18"].Duplicates - want["d18"].Duplicates; n != 10 {
			t.Errorf("%d duplicates, want 10 more", n)
		}
	})
}

// threeAttempts returns reports that three pods of one trial might send. Each pod resumes somewhere and repeats some of
// the earlier reports.
func threeAttempts(rng *rand.Rand) (all []wire.Report) {
	for attempt := 1; attempt <= 3; attempt++ {
		w := &writer{attempt: attempt, pod: fmt.Sprint("p", attempt)}
		from := rng.IntN(4)
		all = append(all, w.report(wire.ReportResumed, from))
		for _, r := range all {
			if r.Kind == wire.ReportEpoch && r.ComputedBy == nil && rng.IntN(3) == 0 {
				all = append(all, w.repeat(r))
			}
		}
		for e := from + 1; e <= from+1+rng.IntN(4); e++ {
			all = append(all, w.epoch(e, float64(rng.IntN(6))/10, rng.IntN(2) == 0))
		}
	}
	return all
}

func fold(reports []wire.Report) map[string]plan.TrialReports {
	l := NewLedger()
	for _, r := range reports {
		l.Fold(r)
	}
	return l.View()
}

// spans must agree with a plain set.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{1, 2, 3, 5, 4, 200, 7, 7})
	f.Fuzz(func(t *testing.T, in []byte) {
		var s spans
		set := map[int64]bool{}
		highest := int64(0)
		for _, b := range in {
			n := int64(b) + 1
			if s.add(n) == set[n] {
				t.Fatalf("add(%d) after %v: %v", n, in, s)
			}
			set[n], highest = true, max(highest, n)
			if got, want := s.gaps(), highest-int64(len(set)); got != want {
				t.Fatalf("%v has %d gaps, want %d", s, got, want)
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i].first <= s[i-1].last+1 {
				t.Fatalf("%v touch", s)
			}
		}
	})
}

// A run that resumes from an older run repeats that run's reports. Each counts once, however many attempts repeat it.
// The best keeps the location of the older run's checkpoint. No attempt is credited with epochs that it did not train.
func TestAnOlderRunsReportsCountOnce(t *testing.T) {
	older := &writer{attempt: 3, pod: "old"}
	history := []wire.Report{older.report(wire.ReportStarted, 0), older.epoch(1, 0.6, true), older.epoch(2, 0.8, true)}
	one, two := &writer{attempt: 1, pod: "p1"}, &writer{attempt: 2, pod: "p2"}
	reports := []wire.Report{one.report(wire.ReportResumed, 2)}
	for i, r := range history {
		history[i] = one.repeat(r)
	}
	reports = append(reports, history...)
	third := one.epoch(3, 0.7, false)
	reports = append(reports, third, two.report(wire.ReportResumed, 3), two.repeat(reports[0]))
	for _, r := range append(history, third) {
		reports = append(reports, two.repeat(r))
	}
	for name, order := range map[string]func([]wire.Report){
		"in order":   func([]wire.Report) {},
		"in reverse": slices.Reverse[[]wire.Report],
	} {
		all := slices.Clone(reports)
		order(all)
		l := NewLedger()
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
		attempts := map[int]plan.AttemptReports{1: {From: 2, Epoch: 3}, 2: {From: 3, Epoch: 3}}
		if diff := cmp.Diff(attempts, v.Attempts); diff != "" {
			t.Errorf("%s: attempts:\n%s", name, diff)
		}
	}
}
