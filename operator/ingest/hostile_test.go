package ingest

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/reporttest"
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
	g.stream = ledger.Stream{ID: "s", Next: 1, Current: true, Connected: true}
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
	w := &reporttest.Writer{Attempt: 1, Pod: "p"}
	good := w.Epoch(2, 0.7, true)
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
		before := map[types.UID]ledger.Reports{uid: g.Reports(uid), otherUID: g.Reports(otherUID)}
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

// check compares the summary of a trial with the limits of the CRD.
func check(t *testing.T, v ledger.TrialReports) {
	t.Helper()
	if v.Epoch > 8 || v.Epochs > 8 || v.Attempt > 2 || v.Gaps < 0 || v.Folded > 1 || len(v.Curve) > 8 {
		t.Errorf("trial %+v", v)
	}
	for _, m := range append(v.Curve, ledger.Measured{}) {
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
