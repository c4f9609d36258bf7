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
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

const uid = reporttest.UID

// waitLimit is how long a test waits for something that must happen. A test that passes never waits for that long.
const waitLimit = 30 * time.Second

// bench is a NATS server, an operator's Ingest that reads from the server, and a pod that reports to it.
type bench struct {
	t      *testing.T
	server *natstest.Server
	issuer *credential.Issuer
	run    *api.TrainingRun
	ingest *Ingest
	stop   func()
	pod    reporttest.Writer
	change func(*Options) // changes Ingest's options; nil: nothing
}

func newBench(t *testing.T) *bench { return newBenchWith(t, nil) }

func newBenchWith(t *testing.T, change func(*Options)) *bench {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer, pod: reporttest.Writer{Attempt: 1, Pod: "p"}, change: change}
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

// start starts a new Ingest, as a restarted operator does.
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

// until blocks until holds returns true, and receives Ingest's wakes meanwhile, as the reconciler would. The ticker is
// for changes that wake nobody.
func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	timeout := time.After(waitLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-b.ingest.Wakes():
		case <-tick.C:
		case <-timeout:
			b.t.Fatalf("timed out waiting until %s; stream %+v, reports %+v",
				what, b.ingest.Stream(), b.ingest.Reports(uid))
		}
	}
}

// send publishes reports as the run's pod does, with the run's credential, and waits for each acknowledgement.
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
	inbox := nats.CustomInboxPrefix(wire.InboxPrefix(uid))
	nc, err := nats.Connect(b.server.URL(), nats.UserCredentialBytes(creds), inbox)
	if err != nil {
		b.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), waitLimit)
	defer cancel()
	for {
		_, err = js.Publish(ctx, subject, data, append(options, jetstream.WithRetryAttempts(10))...)
		if err == nil {
			return
		}
		// While the stream is being created, no stream answers.
		if !errors.Is(err, jetstream.ErrNoStreamResponse) || ctx.Err() != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) trial() ledger.TrialReports { return b.ingest.Reports(uid).Trials["d18"] }

func (b *bench) drained() bool {
	ok, err := b.ingest.Drained(b.t.Context(), uid)
	return err == nil && ok
}

// A cache that is behind shows the run as it was before the newest attempt was started. The reports of that attempt
// must not be refused.
func TestAnOlderStatusForgetsNoAttempt(t *testing.T) {
	g, older, newest := newHostile(t), 1, &reporttest.Writer{Attempt: 3, Pod: "r"}
	run := &api.TrainingRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: uid},
		Status: api.TrainingRunStatus{
			Stream: &api.StreamPosition{ID: "s", Sequence: 1},
			Trials: []api.TrialStatus{{Name: "d18", Depth: 18, Attempt: 3, Epochs: 8}},
		},
	}
	g.Track(run)
	run = run.DeepCopy()
	run.Status.Trials[0].Attempt = int32(older)
	g.Track(run)
	data, err := json.Marshal(newest.Epoch(1, 0.5, true))
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
		t.Error("a run without reports is not drained")
	}
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	woken := false
	for deadline := time.After(waitLimit); !woken; {
		select {
		case e := <-b.ingest.Wakes():
			woken = e.Object == Wake{Run: types.NamespacedName{Namespace: "lab", Name: "sweep"}, Urgent: true}
		case <-deadline:
			t.Fatal("a first report did not wake the reconciler")
		}
	}
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	r := b.ingest.Reports(uid)
	d18 := r.Trials["d18"]
	if !r.Whole || d18.Best.Metrics.AUCPR != 0.7 || time.Since(d18.Heard) > time.Minute {
		t.Errorf("reports %+v", r)
	}
	if !b.drained() {
		t.Error("everything was read, but the run is not drained")
	}
}

// MarkShown measures the delay of a report once: when a status shows the report for the first time.
func TestTheDelayOfAReportIsMeasuredOnce(t *testing.T) {
	b := newBench(t)
	before := observed(t)
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	folded := b.ingest.FoldedSoFar(uid)
	b.send(b.pod.Epoch(2, 0.8, true))
	b.until("one more is read", func() bool { return b.trial().Folded == 3 })
	b.ingest.MarkShown(uid, folded, true, time.Now())
	b.ingest.MarkShown(uid, folded, true, time.Now())
	if n := observed(t) - before; n != 2 {
		t.Errorf("%d reports were measured, want the two that were folded before FoldedSoFar", n)
	}
	b.ingest.MarkShown(uid, b.ingest.FoldedSoFar(uid), false, time.Now()) // the status did not change
	if n := observed(t) - before; n != 2 {
		t.Errorf("%d reports were measured, want 2", n)
	}
	b.restart()
	b.until("everything is read again", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 3 })
	b.ingest.MarkShown(uid, b.ingest.FoldedSoFar(uid), true, time.Now())
	if n := observed(t) - before; n != 2 {
		t.Errorf("%d reports were measured, want 2: reports that are read again must not be measured", n)
	}
}

// observed returns how many delays have been measured.
func observed(t *testing.T) uint64 {
	t.Helper()
	var m dto.Metric
	if err := metrics.ReportToStatus.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

func TestRefusedReportsChangeNothing(t *testing.T) {
	b := newBench(t)
	before := counted(t)
	lie := b.pod.Epoch(1, 0.9, true)
	lie.Epochs = 99
	b.send(lie)
	b.sendRaw(uid, wire.Subject(uid, "d18", 1), []byte("{"))
	b.sendRaw("22222222", wire.Subject("22222222", "d18", 1), []byte("{}"))
	// Another writer, because the server drops a message id that it knows.
	good := reporttest.Writer{Attempt: 1, Pod: "q"}
	b.send(good.Report(wire.ReportStarted, 0))
	b.until("the good one is read", func() bool { return b.trial().Folded > 0 })
	if v := b.trial(); v.Folded != 1 || v.Epoch != 0 || v.Best != nil {
		t.Errorf("a refused report changed the ledger: %+v", v)
	}
	want := map[string]float64{refusedEpoch: 1, refusedForm: 1, refusedRun: 1}
	if diff := cmp.Diff(want, since(t, before)); diff != "" {
		t.Errorf("refused reports must be counted by reason, and nothing else:\n%s", diff)
	}
}

// Missing reports and duplicates are counted when they are noticed. A late report is no duplicate, and it does not
// lower the counter of gaps.
func TestGapsAndDuplicatesAreCounted(t *testing.T) {
	b := newBench(t)
	started := b.pod.Report(wire.ReportStarted, 0)
	first, second, third := b.pod.Epoch(1, 0.7, true), b.pod.Epoch(2, 0.8, true), b.pod.Epoch(3, 0.9, true)
	for _, step := range []struct {
		send   []wire.Report
		folded int64 // afterwards
		want   map[string]float64
	}{
		{[]wire.Report{started, third}, 2, map[string]float64{"gaps": 2}},
		{[]wire.Report{second, second, started}, 3, map[string]float64{"duplicates": 2}},
		{[]wire.Report{first}, 4, map[string]float64{}},
	} {
		before := counted(t)
		b.send(step.send...)
		b.until("all of it is read", func() bool { return b.trial().Folded == step.folded && b.drained() })
		if diff := cmp.Diff(step.want, since(t, before)); diff != "" {
			t.Errorf("with %d folded:\n%s", step.folded, diff)
		}
	}
	b.restart()
	b.until("everything is read again", func() bool { return b.ingest.Stream().Current && b.trial().Folded == 4 })
	if v := b.trial(); v.Gaps != 0 || v.Duplicates != 2 {
		t.Errorf("after a restart: %+v", v)
	}
}

// counted returns the values of the counters of gaps, of duplicates and of refused reports by reason.
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
	for _, reason := range refusalReasons {
		out[reason] = read(metrics.Refused.WithLabelValues(reason))
	}
	return out
}

// since returns by how much the counters have risen, without those that have not.
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
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	b.stop()
	b.send(b.pod.Epoch(2, 0.8, true)) // while no operator reads
	b.start()
	b.until("it has caught up", func() bool { return b.ingest.Stream().Current })
	r := b.ingest.Reports(uid)
	if d18 := r.Trials["d18"]; !r.Whole || d18.Folded != 3 || d18.Duplicates != 0 || d18.Best.Epoch != 2 {
		t.Errorf("after the restart: %+v", r)
	}
}

func TestNATSCannotBeReachedForAWhile(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.Report(wire.ReportStarted, 0))
	b.until("it is read", func() bool { return b.trial().Folded == 1 })
	id := b.ingest.Stream().ID
	b.server.Down()
	b.until("the outage is noticed", func() bool { return !b.ingest.Stream().Connected })
	if s := b.ingest.Stream(); s.Problem != "NATS at "+b.server.URL()+" cannot be reached" || s.ID != id || !s.Current {
		t.Errorf("stream %+v", s)
	}
	if b.drained() {
		t.Error("the run is drained, although nobody can know that")
	}
	b.server.Up()
	b.send(b.pod.Epoch(1, 0.7, true))
	b.until("the next report is read", func() bool { return b.trial().Folded == 2 && b.ingest.Stream().Connected })
	s, r := b.ingest.Stream(), b.ingest.Reports(uid)
	if s.ID != id || !r.Whole || r.Trials["d18"].Duplicates != 0 {
		t.Errorf("stream %+v, reports %+v", s, r)
	}
}

func TestAWipedStreamIsNoticed(t *testing.T) {
	b := newBench(t)
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	id := b.ingest.Stream().ID
	b.server.Down()
	b.server.Wipe()
	b.server.Up()
	b.until("another stream is read", func() bool { s := b.ingest.Stream(); return s.Connected && s.ID != id })
	b.send(b.pod.Epoch(2, 0.6, true))
	b.until("its first report is read", func() bool { return b.trial().Folded == 3 })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Best.Epoch != 1 {
		t.Errorf("the ledger must keep what it has and not be whole: %+v", r)
	}
	b.restart()
	b.until("a restarted operator has read the remaining reports", func() bool { return b.ingest.Stream().Current })
	if r := b.ingest.Reports(uid); r.Whole || r.Trials["d18"].Folded != 1 {
		t.Errorf("after the restart: %+v", r)
	}
}

func TestNATSStartsAfterTheOperator(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer}
	s.Down()
	b.start()
	b.until("the outage is noticed", func() bool { return b.ingest.Stream().Problem != "" })
	if s := b.ingest.Stream(); s.Connected || s.ID != "" {
		t.Errorf("stream %+v", s)
	}
	s.Up()
	b.until("the stream is read", func() bool { return b.ingest.Stream().Connected && b.ingest.Stream().Current })
}
