package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// patience is how long a test waits for what must come; it is never waited for in full.
const patience = 30 * time.Second

// bench is a NATS server, an operator's Ingest that reads it, and a pod that reports.
type bench struct {
	t      *testing.T
	server *natstest.Server
	issuer *credential.Issuer
	run    *api.TrainingRun
	ingest *Ingest
	stop   func()
	pod    writer
	change func(*Options) // what is different from the usual
}

func newBench(t *testing.T) *bench { return newBenchWith(t, nil) }

func newBenchWith(t *testing.T, change func(*Options)) *bench {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer, pod: writer{attempt: 1, pod: "p"}, change: change}
	b.start()
	b.until("the stream is there", func() bool { return b.ingest.Stream().Current })
	b.run = &api.TrainingRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: uid},
		Status: api.TrainingRunStatus{
			Stream: &api.StreamPosition{ID: b.ingest.Stream().ID, Sequence: b.ingest.Stream().Next},
			Trials: []api.TrialStatus{{Name: "d18", Depth: 18, Attempt: 1, Epochs: 8}},
		},
	}
	b.ingest.Track(b.run)
	return b
}

// start runs an operator's consumer, as after a restart.
func (b *bench) start() {
	b.t.Helper()
	signIn, err := b.issuer.Operator()
	if err != nil {
		b.t.Fatal(err)
	}
	options := Options{
		URL: b.server.URL(), Credential: signIn, Inbox: credential.OperatorInbox, MaxAge: time.Hour, MaxBytes: 64 << 20,
		Runs: func(context.Context) ([]api.TrainingRun, error) {
			if b.run == nil {
				return nil, nil
			}
			return []api.TrainingRun{*b.run}, nil
		},
	}
	if b.change != nil {
		b.change(&options)
	}
	b.ingest = New(options, logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.ingest.Start(ctx) }()
	b.stop = func() {
		b.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	}
	b.t.Cleanup(func() { b.stop() })
}

func (b *bench) restart() {
	b.stop()
	b.start()
}

// until hears what Ingest wakes the reconciler with, until something holds. The ticker covers what needs no reconcile.
func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	timeout := time.After(patience)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-b.ingest.Wakes():
		case <-look.C:
		case <-timeout:
			b.t.Fatalf("waited in vain until %s; stream %+v, reports %+v", what, b.ingest.Stream(), b.ingest.Reports(uid))
		}
	}
}

// send publishes as the pod does, with its own credential, and waits for the acknowledgement.
func (b *bench) send(reports ...wire.Report) {
	b.t.Helper()
	for _, r := range reports {
		data, err := json.Marshal(r)
		if err != nil {
			b.t.Fatal(err)
		}
		b.sendRaw(r.RunUID, wire.Subject(r.RunUID, r.Trial, r.Attempt), data)
	}
}

func (b *bench) sendRaw(uid, subject string, data []byte, options ...jetstream.PublishOpt) {
	b.t.Helper()
	creds, err := b.issuer.Run(uid)
	if err != nil {
		b.t.Fatal(err)
	}
	nc, err := nats.Connect(b.server.URL(), nats.UserCredentialBytes(creds), nats.CustomInboxPrefix(wire.InboxPrefix(uid)))
	if err != nil {
		b.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for {
		_, err = js.Publish(ctx, subject, data, append(options, jetstream.WithRetryAttempts(10))...)
		if err == nil {
			return
		}
		if !errors.Is(err, jetstream.ErrNoStreamResponse) || ctx.Err() != nil { // a stream that is still being made
			b.t.Fatal(err)
		}
	}
}

func (b *bench) trial() plan.TrialReports { return b.ingest.Reports(uid).Trials["d18"] }

func (b *bench) drained() bool {
	ok, err := b.ingest.Drained(b.t.Context(), uid)
	return err == nil && ok
}

// A cache that is behind shows the run as it was before the newest attempt was started: its reports are no stranger's.
func TestAnOlderLookAtTheRunForgetsNoAttempt(t *testing.T) {
	g, older, newest := newHostile(t), 1, &writer{attempt: 3, pod: "r"}
	run := &api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: uid}, Status: api.TrainingRunStatus{
		Stream: &api.StreamPosition{ID: "s", Sequence: 1}, Trials: []api.TrialStatus{{Name: "d18", Depth: 18, Attempt: 3, Epochs: 8}},
	}}
	g.Track(run)
	run = run.DeepCopy()
	run.Status.Trials[0].Attempt = int32(older)
	g.Track(run)
	data, err := json.Marshal(newest.epoch(1, 0.5, true))
	if err != nil {
		t.Fatal(err)
	}
	g.foldMessage(wire.Subject(uid, "d18", 3), 1, time.Now(), data, true)
	if got := g.Reports(uid).Trials["d18"]; got.Folded != 1 || got.Attempt != 3 {
		t.Errorf("the newest attempt's report was refused: %+v", got)
	}
}

func TestReportsArrive(t *testing.T) {
	b := newBench(t)
	if !b.drained() {
		t.Error("a run without reports is drained")
	}
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	woken := false
	for deadline := time.After(patience); !woken; {
		select {
		case e := <-b.ingest.Wakes():
			woken = e.Object == Wake{Run: types.NamespacedName{Namespace: "lab", Name: "sweep"}, Urgent: true}
		case <-deadline:
			t.Fatal("a first report wakes nobody")
		}
	}
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	if r := b.ingest.Reports(uid); !r.Whole || r.Trials["d18"].Best.Metrics.AUCPR != 0.7 || time.Since(r.Trials["d18"].Heard) > time.Minute {
		t.Errorf("reports %+v", r)
	}
	if !b.drained() {
		t.Error("everything was read, and yet it is not drained")
	}
}

// How long reports take is measured of those that a status is about to show for the first time.
func TestWhatAStatusShowsIsMeasuredOnce(t *testing.T) {
	b := newBench(t)
	before := observed(t)
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	mark := b.ingest.FoldedSoFar(uid)
	b.send(b.pod.epoch(2, 0.8, true))
	b.until("one more is read", func() bool { return b.trial().Folded == 3 })
	b.ingest.MarkShown(uid, mark, true, time.Now())
	b.ingest.MarkShown(uid, mark, true, time.Now())
	if n := observed(t) - before; n != 2 {
		t.Errorf("%d are measured, want the two that were folded before the mark", n)
	}
	b.ingest.MarkShown(uid, b.ingest.FoldedSoFar(uid), false, time.Now()) // the status said so already
	if n := observed(t) - before; n != 2 {
		t.Errorf("%d are measured, want 2", n)
	}
	b.restart()
	b.until("everything is read again", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 3 })
	b.ingest.MarkShown(uid, b.ingest.FoldedSoFar(uid), true, time.Now())
	if n := observed(t) - before; n != 2 {
		t.Errorf("what is read again is measured: %d", n)
	}
}

func observed(t *testing.T) uint64 {
	t.Helper()
	var m dto.Metric
	if err := metrics.ReportToStatus.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

func TestStrangersReportsChangeNothing(t *testing.T) {
	b := newBench(t)
	before := counted(t)
	lie := b.pod.epoch(1, 0.9, true)
	lie.Epochs = 99
	b.send(lie)
	b.sendRaw(uid, wire.Subject(uid, "d18", 1), []byte("{"))
	b.sendRaw("22222222", wire.Subject("22222222", "d18", 1), []byte("{}"))
	good := writer{attempt: 1, pod: "q"} // its own writer: the server knows the lie's message id
	b.send(good.report(wire.Started, 0))
	b.until("the good one is read", func() bool { return b.trial().Folded > 0 })
	if v := b.trial(); v.Folded != 1 || v.Epoch != 0 || v.Best != nil {
		t.Errorf("what was refused shows: %+v", v)
	}
	if diff := cmp.Diff(map[string]float64{refusedEpoch: 1, refusedForm: 1, refusedRun: 1}, since(t, before)); diff != "" {
		t.Errorf("what was refused is counted by its reason, and nothing else is counted:\n%s", diff)
	}
}

// What is missing and what comes twice is counted when it is noticed; what arrives late is no duplicate and takes
// nothing back.
func TestGapsAndDuplicatesAreCounted(t *testing.T) {
	b := newBench(t)
	started, first, second, third := b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true), b.pod.epoch(2, 0.8, true), b.pod.epoch(3, 0.9, true)
	for _, step := range []struct {
		send []wire.Report
		seen int64
		want map[string]float64
	}{
		{[]wire.Report{started, third}, 2, map[string]float64{"gaps": 2}},
		{[]wire.Report{second, second, started}, 3, map[string]float64{"duplicates": 2}},
		{[]wire.Report{first}, 4, map[string]float64{}},
	} {
		before := counted(t)
		b.send(step.send...)
		b.until("all of it is read", func() bool { return b.trial().Folded == step.seen && b.drained() })
		if diff := cmp.Diff(step.want, since(t, before)); diff != "" {
			t.Errorf("with %d seen:\n%s", step.seen, diff)
		}
	}
	b.restart()
	b.until("everything is read again", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 4 })
	if v := b.trial(); v.Gaps != 0 || v.Duplicates != 2 {
		t.Errorf("after a restart: %+v", v)
	}
}

// counted is what the counters of bad reports are at.
func counted(t *testing.T) map[string]float64 {
	t.Helper()
	read := func(c prometheus.Metric) float64 {
		var m dto.Metric
		if err := c.Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetCounter().GetValue()
	}
	out := map[string]float64{"gaps": read(metrics.Gaps), "duplicates": read(metrics.Duplicates)}
	for _, reason := range []string{refusedSize, refusedForm, refusedVersion, refusedSubject, refusedRun, refusedTrial, refusedAttempt, refusedEpoch, refusedWriter} {
		out[reason] = read(metrics.Refused.WithLabelValues(reason))
	}
	return out
}

// since is by how much they have risen.
func since(t *testing.T, before map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for what, now := range counted(t) {
		if now != before[what] {
			out[what] = now - before[what]
		}
	}
	return out
}

func TestAnOperatorThatRestartsReadsEverythingAgain(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.stop()
	b.send(b.pod.epoch(2, 0.8, true)) // while nobody reads
	b.start()
	b.until("it has caught up", func() bool { return b.ingest.Stream().Current })
	if v := b.ingest.Reports(uid); !v.Whole || v.Trials["d18"].Folded != 3 || v.Trials["d18"].Duplicates != 0 || v.Trials["d18"].Best.Epoch != 2 {
		t.Errorf("after the restart: %+v", v)
	}
}

func TestNATSIsAwayForAWhile(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.report(wire.Started, 0))
	b.until("it is read", func() bool { return b.trial().Folded == 1 })
	id := b.ingest.Stream().ID
	b.server.Down()
	b.until("it is missed", func() bool { return !b.ingest.Stream().Connected })
	if s := b.ingest.Stream(); s.Problem != "NATS at "+b.server.URL()+" cannot be reached" || s.ID != id || !s.Current {
		t.Errorf("stream %+v", s)
	}
	if b.drained() {
		t.Error("drained, although nobody can know")
	}
	b.server.Up()
	b.send(b.pod.epoch(1, 0.7, true))
	b.until("the next report is read", func() bool { return b.trial().Folded == 2 && b.ingest.Stream().Connected })
	if s, r := b.ingest.Stream(), b.ingest.Reports(uid); s.ID != id || !r.Whole || r.Trials["d18"].Duplicates != 0 {
		t.Errorf("stream %+v, reports %+v", s, r)
	}
}

func TestAWipedStreamIsNoticed(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	id := b.ingest.Stream().ID
	b.server.Down()
	b.server.Wipe()
	b.server.Up()
	b.until("another stream is read", func() bool { s := b.ingest.Stream(); return s.Connected && s.ID != id })
	b.send(b.pod.epoch(2, 0.6, true))
	b.until("its first report is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("what was known is kept, and known to be a part: %+v", r)
	}
	b.restart()
	b.until("a restarted operator has read what is left", func() bool { return b.ingest.Stream().Current })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Folded != 1 {
		t.Errorf("after the restart: %+v", r)
	}
}

func TestNATSIsNotThereYet(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer}
	s.Down()
	b.start()
	b.until("it is missed", func() bool { return b.ingest.Stream().Problem != "" })
	if s := b.ingest.Stream(); s.Connected || s.ID != "" {
		t.Errorf("stream %+v", s)
	}
	s.Up()
	b.until("the stream is read", func() bool { return b.ingest.Stream().Connected && b.ingest.Stream().Current })
}
