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
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// A stream can lose reports by its limits, by a purge, or because it is deleted. The tests of this file check that the
// operator keeps what it has read, and that the run's MetricsHealthy condition says what happened.

func TestAFullStreamDropsReportsThatWereNotRead(t *testing.T) {
	b := newBenchWith(t, func(o *Options) { o.MaxBytes = 64 << 10 })
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.9, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.server.Down()
	b.until("the outage is noticed", func() bool { return !b.ingest.Stream().Connected })
	b.stop()
	b.server.Up()
	b.fill(200)
	b.start()
	b.until("the remaining reports are read", func() bool { return b.ingest.Stream().Current && b.trial().Folded > 0 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Folded >= 202 || r.Trials["d18"].Best != nil {
		t.Errorf("reports %+v", r)
	}
	b.wantHealth("ReportsDropped", "the stream no longer holds all reports of this run")
}

func TestAFullStreamDropsReportsThatWereRead(t *testing.T) {
	b := newBenchWith(t, func(o *Options) { o.MaxBytes = 64 << 10 })
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.9, true))
	for n := int64(22); n <= 202; n += 20 { // in steps, because a slow reader of two hundred might find some gone
		b.fill(20)
		b.until("everything is read", func() bool { return b.trial().Folded == n })
	}
	if r := b.ingest.Reports(uid); !r.Whole || r.Trials["d18"].Best.Epoch != 1 || r.Trials["d18"].Gaps != 0 {
		t.Errorf("reports that were read before they were dropped must stay in the ledger: %+v", r)
	}
	b.wantHealth("ReportsArrive", "")
	b.restart() // Only now reports are missing: the new operator cannot read them again.
	b.until("the remaining reports are read", func() bool { return b.ingest.Stream().Current && b.trial().Folded > 0 })
	if r := b.ingest.Reports(uid); r.Whole {
		t.Errorf("reports %+v", r)
	}
	b.wantHealth("ReportsDropped", "--stream-max-bytes")
}

func TestAPurgedStream(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.purge()
	b.send(b.pod.Epoch(2, 0.6, true))
	b.until("the next is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); !r.Whole || r.Trials["d18"].Gaps != 0 || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("a purge of reports that were read must lose nothing: %+v", r)
	}
	b.stop()
	b.send(b.pod.Epoch(3, 0.8, true))
	b.purge() // of a report that was not read
	b.send(b.pod.Epoch(4, 0.5, true))
	b.start()
	b.until("the remaining reports are read", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 1 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Epoch != 4 {
		t.Errorf("reports %+v", r)
	}
	b.wantHealth("ReportsDropped", "the stream was purged")
}

func TestAStreamThatIsDeletedUnderTheOperator(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	id := b.ingest.Stream().ID
	if err := b.admin().DeleteStream(t.Context(), wire.Stream); err != nil {
		t.Fatal(err)
	}
	b.until("another stream is read", func() bool { s := b.ingest.Stream(); return s.Connected && s.ID != id })
	b.send(b.pod.Epoch(2, 0.6, true))
	b.until("its first report is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("the ledger must keep what it has and not be whole: %+v", r)
	}
	b.wantHealth("StreamReplaced", "was replaced by a stream created at")
}

// Messages that are missing between two others may be of any run that had been admitted before them.
func TestMessagesMissingBetweenTwo(t *testing.T) {
	for name, tc := range map[string]struct {
		began int64
		whole bool
	}{
		"a run that was admitted before": {3, false},
		"a run that was admitted later":  {8, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Options{}, logr.Discard())
			g.stream = ledger.Stream{ID: "s", Next: 5}
			g.Track(&api.TrainingRun{
				ObjectMeta: metav1.ObjectMeta{UID: uid},
				Status:     api.TrainingRunStatus{Stream: &api.StreamPosition{ID: "s", Sequence: tc.began}},
			})
			g.foldMessage("plumbline.v1.stranger.d18.a1", 5, time.Now(), nil, false)
			if !g.Reports(uid).Whole {
				t.Error("the ledger is not whole from the start")
			}
			g.foldMessage("plumbline.v1.stranger.d18.a1", 8, time.Now(), nil, false)
			if got := g.Reports(uid).Whole; got != tc.whole {
				t.Errorf("whole: %v, want %v", got, tc.whole)
			}
		})
	}
}

// A full stream may drop the messages that are older than every active run without harm.
func TestSpareMessages(t *testing.T) {
	for name, tc := range map[string]struct {
		first, last uint64
		began       []api.StreamPosition
		want        float64
	}{
		"an empty stream":          {want: 0},
		"a stream that was purged": {first: 8, last: 7, want: 0},
		"no run is active":         {first: 3, last: 10, want: 8},
		"two runs are active": {
			first: 3, last: 10, began: []api.StreamPosition{{ID: "s", Sequence: 7}, {ID: "s", Sequence: 9}}, want: 4,
		},
		"one run began before the first message": {
			first: 3, last: 10, began: []api.StreamPosition{{ID: "s", Sequence: 2}}, want: 0,
		},
		"one run began in an earlier stream": {
			first: 3, last: 10, began: []api.StreamPosition{{ID: "old", Sequence: 9}}, want: 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Options{}, logr.Discard())
			g.stream.ID = "s"
			for i, began := range tc.began {
				g.Track(&api.TrainingRun{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i), UID: types.UID(fmt.Sprint(i))},
					Status:     api.TrainingRunStatus{Stream: &began},
				})
			}
			g.measureStream(&jetstream.StreamInfo{State: jetstream.StreamState{
				FirstSeq: tc.first, LastSeq: tc.last, Msgs: tc.last + 1 - max(tc.first, 1),
			}})
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
		r := b.pod.Report(wire.ReportHeartbeat, 1)
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

// admin returns a client with all rights on the stream.
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

// wantHealth compares the reason of the run's MetricsHealthy condition, and looks for words in its message.
func (b *bench) wantHealth(reason, words string) {
	b.t.Helper()
	run := b.run.DeepCopy()
	now := metav1.Now()
	run.Status.StartTime, run.Status.Trials[0].Phase = &now, api.TrialRunning
	p := plan.Make(plan.Input{
		Run: run, Stream: b.ingest.Stream(), Reports: b.ingest.Reports(uid), Now: time.Now(),
	})
	c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
	if c == nil || c.Reason != reason || !strings.Contains(c.Message, words) {
		b.t.Errorf("MetricsHealthy is %+v, want %s with %q", c, reason, words)
	}
}
