package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// What a stream can lose: by its limits, by a purge, as a whole. Nothing that was known goes back, and the run says
// what happened.

func TestAFullStreamDropsWhatNobodyHasRead(t *testing.T) {
	b := newBenchWith(t, func(o *Options) { o.MaxBytes = 64 << 10 })
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.9, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.server.Down() // the operator loses sight of the stream
	b.until("it is missed", func() bool { return !b.ingest.Stream().Connected })
	b.stop()
	b.server.Up()
	b.fill(200)
	b.start()
	b.until("what is left is read", func() bool { return b.ingest.Stream().Current && b.trial().Folded > 0 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Folded >= 202 || r.Trials["d18"].Best != nil {
		t.Errorf("reports %+v", r)
	}
	b.says("ReportsDropped", "the stream no longer holds all reports of this run")
}

func TestAFullStreamDropsWhatWasRead(t *testing.T) {
	b := newBenchWith(t, func(o *Options) { o.MaxBytes = 64 << 10 })
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.9, true))
	for n := int64(22); n <= 202; n += 20 { // a slow reader would find some of two hundred gone
		b.fill(20)
		b.until("everything is read", func() bool { return b.trial().Folded == n })
	}
	if r := b.ingest.Reports(uid); !r.Whole || r.Trials["d18"].Best.Epoch != 1 || r.Trials["d18"].Gaps != 0 {
		t.Errorf("what was read before it was dropped is known: %+v", r)
	}
	b.says("ReportsArrive", "")
	b.restart() // only now something is missing
	b.until("what is left is read", func() bool { return b.ingest.Stream().Current && b.trial().Folded > 0 })
	if r := b.ingest.Reports(uid); r.Whole {
		t.Errorf("reports %+v", r)
	}
	b.says("ReportsDropped", "--stream-max-bytes")
}

func TestAPurgedStream(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.purge()
	b.send(b.pod.epoch(2, 0.6, true))
	b.until("the next is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); !r.Whole || r.Trials["d18"].Gaps != 0 || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("a purge of what was read loses nothing: %+v", r)
	}
	b.stop()
	b.send(b.pod.epoch(3, 0.8, true))
	b.purge() // of what nobody has read
	b.send(b.pod.epoch(4, 0.5, true))
	b.start()
	b.until("what is left is read", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 1 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Epoch != 4 {
		t.Errorf("reports %+v", r)
	}
	b.says("ReportsDropped", "the stream was purged")
}

func TestAStreamThatIsDeletedUnderTheOperator(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	id := b.ingest.Stream().ID
	if err := b.admin().DeleteStream(t.Context(), wire.Stream); err != nil {
		t.Fatal(err)
	}
	b.until("another stream is read", func() bool { s := b.ingest.Stream(); return s.Connected && s.ID != id })
	b.send(b.pod.epoch(2, 0.6, true))
	b.until("its first report is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("what was known is kept, and known to be a part: %+v", r)
	}
	b.says("StreamReplaced", "was replaced by a stream created at")
}

// Messages that are gone from between two that are read may be of any run that was there before them.
func TestMessagesGoneFromBetween(t *testing.T) {
	for name, tc := range map[string]struct {
		began int64
		whole bool
	}{
		"a run that was there":   {3, false},
		"a run that began later": {8, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Options{}, logr.Discard())
			g.stream = plan.Stream{ID: "s", Next: 5}
			g.Track(&api.TrainingRun{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: api.TrainingRunStatus{Stream: &api.StreamPosition{ID: "s", Sequence: tc.began}}})
			g.foldMessage("plumbline.v1.stranger.d18.a1", 5, time.Now(), nil, false)
			if !g.Reports(uid).Whole {
				t.Error("it is not whole from the start")
			}
			g.foldMessage("plumbline.v1.stranger.d18.a1", 8, time.Now(), nil, false)
			if got := g.Reports(uid).Whole; got != tc.whole {
				t.Errorf("whole: %v", got)
			}
		})
	}
}

// What is older than every active run is what a full stream may drop without harm.
func TestSpareMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		first, last uint64
		began       []api.StreamPosition
		want        float64
	}{
		"an empty stream":                   {0, 0, nil, 0},
		"a stream that was purged":          {8, 7, nil, 0},
		"no run is active":                  {3, 10, nil, 8},
		"two are":                           {3, 10, []api.StreamPosition{{ID: "s", Sequence: 7}, {ID: "s", Sequence: 9}}, 4},
		"one began before what is left":     {3, 10, []api.StreamPosition{{ID: "s", Sequence: 2}}, 0},
		"one began in the stream before it": {3, 10, []api.StreamPosition{{ID: "old", Sequence: 9}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Options{}, logr.Discard())
			g.stream.ID = "s"
			for i, began := range tc.began {
				g.Track(&api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i), UID: types.UID(fmt.Sprint(i))}, Status: api.TrainingRunStatus{Stream: &began}})
			}
			g.measureStream(&jetstream.StreamInfo{State: jetstream.StreamState{FirstSeq: tc.first, LastSeq: tc.last, Msgs: tc.last + 1 - max(tc.first, 1)}})
			var m dto.Metric
			if err := metrics.Spare.Write(&m); err != nil || m.GetGauge().GetValue() != tc.want {
				t.Errorf("spare %v, %v; want %v", m.GetGauge().GetValue(), err, tc.want)
			}
		})
	}
}

// fill sends n heartbeats of more than a kilobyte each.
func (b *bench) fill(n int) {
	b.t.Helper()
	var beats []wire.Report
	for range n {
		r := b.pod.report(wire.Heartbeat, 1)
		r.Message = strings.Repeat("x", wire.MaxMessageRunes)
		beats = append(beats, r)
	}
	b.send(beats...)
}

func (b *bench) purge() {
	b.t.Helper()
	stream, err := b.admin().Stream(b.t.Context(), wire.Stream)
	if err == nil {
		err = stream.Purge(b.t.Context())
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// admin is somebody with all rights on the stream.
func (b *bench) admin() jetstream.JetStream {
	b.t.Helper()
	signIn, err := b.issuer.Operator()
	if err != nil {
		b.t.Fatal(err)
	}
	nc, err := nats.Connect(b.server.URL(), signIn, nats.CustomInboxPrefix(credential.OperatorInbox))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	return js
}

// says is what the run's MetricsHealthy comes to.
func (b *bench) says(reason, words string) {
	b.t.Helper()
	run := b.run.DeepCopy()
	now := metav1.Now()
	run.Status.StartTime, run.Status.Trials[0].Phase = &now, api.TrialRunning
	p := plan.Make(plan.Input{Run: run, Stream: b.ingest.Stream(), Reports: b.ingest.Reports(uid), Now: time.Now()})
	c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
	if c == nil || c.Reason != reason || !strings.Contains(c.Message, words) {
		b.t.Errorf("MetricsHealthy is %+v, want %s with %q", c, reason, words)
	}
}
