package ingest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

const otherUID = "22222222-bbbb"

// newHostile returns an Ingest with two runs of two trials each. The fuzzer may send reports as the d18 of run uid
// only.
func newHostile(t *testing.T) *Ingest {
	t.Helper()
	g := New(Options{}, logr.Discard())
	done := make(chan struct{})
	close(done) // nobody receives wakes
	g.done = done
	g.stream = plan.Stream{ID: "s", Next: 1, Current: true, Connected: true}
	for name, id := range map[string]types.UID{"sweep": uid, "other": otherUID} {
		g.Track(&api.TrainingRun{
			ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: name, UID: id},
			Status: api.TrainingRunStatus{
				Stream: &api.StreamPosition{ID: "s", Sequence: 1},
				Trials: []api.TrialStatus{
					{Name: "d18", Depth: 18, Attempt: 2, Epochs: 8},
					{Name: "d50", Depth: 50, Attempt: 1, Epochs: 8},
				},
			},
		})
	}
	return g
}

// Any bytes may arrive on a subject on which a trial's pod may publish. They must cause no panic and change no other
// trial, and the API server must accept what the trial's own status becomes.
func FuzzFoldMessage(f *testing.F) {
	w := &writer{attempt: 1, pod: "p"}
	good := w.epoch(2, 0.7, true)
	for _, change := range []func(*wire.Report){
		func(*wire.Report) {},
		func(r *wire.Report) { r.Trial, r.Depth, r.Writer = "d50", 50, "d50-a1-p" },
		func(r *wire.Report) { r.RunUID = otherUID },
		func(r *wire.Report) { r.Epoch, r.Epochs = 1<<40, 1<<41 },
		func(r *wire.Report) { r.Sequence = 1 << 40 },
		func(r *wire.Report) { r.Attempt, r.Writer = 2, "d18-a2-q" },
		func(r *wire.Report) { r.Kind, r.Message = wire.ReportFinished, "<script>\x1b[31m" },
		func(r *wire.Report) { r.Metrics, r.NotFinite = nil, "loss is \u202eNaN" },
		func(r *wire.Report) { r.ComputedBy = &wire.Origin{Writer: "d18-a1-p", Sequence: 1 << 40} },
		func(r *wire.Report) { r.Metrics.Threshold = -1e300 },
		func(r *wire.Report) { r.Metrics.F1 = math.Copysign(0, -1) },
	} {
		r := good
		m := *good.Metrics
		r.Metrics = &m
		change(&r)
		data, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire.Subject(r.RunUID, r.Trial, r.Attempt), data)
		f.Add(wire.Subject(uid, "d18", 1), data)
	}
	f.Add("plumbline.v1.", []byte("{}"))
	acknowledgement := []byte(`{"stream":"PLUMBLINE", "seq":7}`) // a pod may ask the server to send it anywhere
	f.Add(wire.Subject(uid, "d18", 1), acknowledgement)
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		g := newHostile(t)
		before := map[types.UID]plan.Reports{uid: g.Reports(uid), otherUID: g.Reports(otherUID)}
		for sequence := int64(1); sequence <= 3; sequence++ {
			g.foldMessage(subject, sequence, time.Now(), data, true)
		}
		for id, was := range before {
			is := g.Reports(id)
			for name := range is.Trials {
				if wire.Subject(string(id), name, 1) != subject && wire.Subject(string(id), name, 2) != subject {
					t.Errorf("%s of run %s was changed from %s", name, id, subject)
				}
			}
			if id == uid && wire.Subject(uid, "d18", 1) == subject {
				check(t, is.Trials["d18"])
			} else if diff := cmp.Diff(was.Whole, is.Whole); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// decimal is the pattern that the CRD requires of a decimal.
var decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$`)

// The memory that the reports of a pod cost the operator is bounded, whatever writers and sequences the pod makes up.
// Heartbeats cost no memory.
func TestMemoryIsBounded(t *testing.T) {
	l := NewLedger()
	honest := &writer{attempt: 1, pod: "p"}
	for range 10_000 {
		l.Fold(honest.report(wire.ReportHeartbeat, 1))
	}
	d18 := l.trials["d18"]
	if n := len(*d18.origins["d18-a1-p"]); n != 1 || d18.view.Folded != 10_000 {
		t.Errorf("10,000 heartbeats are kept as %d ranges, and %d were counted", n, d18.view.Folded)
	}
	foldMany := func(change func(*wire.Report, int)) (refused int) {
		for i := range 5000 {
			r := honest.report(wire.ReportHeartbeat, 1)
			change(&r, i)
			if l.exceedsBounds(r) {
				refused++
			} else {
				l.Fold(r)
			}
		}
		return refused
	}
	if n := foldMany(func(r *wire.Report, i int) {
		r.ComputedBy = &wire.Origin{Writer: fmt.Sprint("d18-a1-", i), Sequence: 1}
	}); n < 3900 {
		t.Errorf("of 5000 made-up writers %d were refused", n)
	}
	if n := foldMany(func(r *wire.Report, i int) {
		r.ComputedBy = &wire.Origin{Writer: "d18-a1-p", Sequence: 20_000 + 2*int64(i)}
	}); n < 3900 {
		t.Errorf("of 5000 holes %d were refused", n)
	}
}

// check compares the summary of a trial with the limits of the CRD.
func check(t *testing.T, v plan.TrialReports) {
	t.Helper()
	if v.Epoch > 8 || v.Epochs > 8 || v.Attempt > 2 || v.Gaps < 0 || v.Folded > 1 || len(v.Curve) > 8 {
		t.Errorf("trial %+v", v)
	}
	for _, m := range append(v.Curve, plan.Measured{}) {
		if c := m.Checkpoint; c != nil {
			if len(c.URI) > 2048 || len(c.Digest) > 128 || strings.ContainsAny(c.URI+c.Digest, "\x1b\x00\n<>") {
				t.Errorf("checkpoint %+v", c)
			}
		}
		for _, fraction := range []float64{m.Metrics.AUCPR, m.Metrics.F1, m.Metrics.Precision, m.Metrics.Recall} {
			if s := api.FormatDecimal(fraction); !decimal.MatchString(string(s)) {
				t.Errorf("a fraction of %s", s)
			}
		}
		if s := api.FormatDecimal(m.Metrics.Threshold); len(s) > 24 {
			t.Errorf("threshold %s", s)
		}
	}
	if v.Digests != nil && (len(v.Digests.Data) > 128 || !utf8.ValidString(v.Digests.Data)) {
		t.Errorf("digests %+v", v.Digests)
	}
}

// An older attempt's report of an epoch never replaces a newer attempt's, however late and however often it arrives.
func FuzzLateReportsOfOlderAttempts(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		reports := threeAttempts(rng)
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
		ignore := cmpopts.IgnoreFields(plan.TrialReports{}, "Duplicates")
		if diff := cmp.Diff(fold(reports)["d18"], got, ignore); diff != "" {
			t.Errorf("compared with the order in which the reports were written:\n%s", diff)
		}
	})
}
