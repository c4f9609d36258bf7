package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/wire"
)

func report(sequence int64) wire.Report {
	return wire.Report{
		Version: wire.Version, Kind: wire.ReportHeartbeat, RunUID: runUID, Trial: "d18", Depth: 18, Attempt: 1,
		Writer: "d18-a1-pod", Sequence: sequence, Epochs: 3,
	}
}

func appendReports(t *testing.T, s *Spool, from, to int64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := s.Append(report(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// bench is a sender with its spool and its log.
type bench struct {
	*Sender
	spool *Spool
	log   *syncBuffer
}

func newBench(t *testing.T, url, credentials string) bench {
	return startBench(t, wire.ReportSettings{URL: url, Credentials: credentials})
}

func startBench(t *testing.T, to wire.ReportSettings) bench {
	spool, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	sender := Start(Config{
		Reports: to,
		RunUID:  runUID,
		Log:     slog.New(slog.NewTextHandler(log, nil)),
		Ack:     time.Second,
		Backoff: time.Millisecond,
		Longest: 20 * time.Millisecond,
	}, spool)
	t.Cleanup(func() {
		sender.Close()
		spool.Close()
	})
	return bench{sender, spool, log}
}

func (b bench) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatalf("%v\n%s", err, b.log)
	}
}

func createStream(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: wire.Stream, Subjects: []string{wire.StreamSubjects}, Storage: jetstream.FileStorage,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stored returns the sequences of all reports in the stream, in the stream's order.
func stored(t *testing.T, js jetstream.JetStream) (sequences []int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, wire.Stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for n := info.State.FirstSeq; n <= info.State.LastSeq; n++ {
		m, err := stream.GetMsg(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		r, err := wire.DecodeReport(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if want := wire.Subject(runUID, "d18", 1); m.Subject != want {
			t.Errorf("message %d: subject %s, want %s", n, m.Subject, want)
		}
		sequences = append(sequences, r.Sequence)
	}
	return sequences
}

func upTo(n int64) (all []int64) {
	for i := int64(1); i <= n; i++ {
		all = append(all, i)
	}
	return all
}

func TestReportsArriveOnceAndInOrder(t *testing.T) {
	nats := newInstallation(t)
	js := nats.admin()
	createStream(t, js)
	b := newBench(t, nats.url(), nats.credentials(filepath.Join(t.TempDir(), "run.creds"), ofTheRun))
	appendReports(t, b.spool, 1, 40)
	b.drain(t)
	if diff := cmp.Diff(upTo(40), stored(t, js)); diff != "" {
		t.Errorf("in the stream:\n%s", diff)
	}
	if info, err := b.spool.file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the drained spool has %d bytes, error %v", info.Size(), err)
	}
}

func TestReportsAreDeliveredAfterAnOutageOfNATS(t *testing.T) {
	nats := newInstallation(t)
	js := nats.admin()
	createStream(t, js)
	creds := nats.credentials(filepath.Join(t.TempDir(), "run.creds"), ofTheRun)
	nats.stop()

	b := newBench(t, nats.url(), creds)
	appendReports(t, b.spool, 1, 5)
	b.log.await(t, "reports wait")
	nats.start()
	b.drain(t)
	nats.stop()
	appendReports(t, b.spool, 6, 12)
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the grace period has ended
	if err := b.Drain(ctx); err == nil || !strings.Contains(err.Error(), "7 reports were not delivered") {
		t.Errorf("draining without a server: %v, want 7 reports that were not delivered", err)
	}
	nats.start()
	b.drain(t)
	if diff := cmp.Diff(upTo(12), stored(t, js)); diff != "" {
		t.Errorf("in the stream:\n%s", diff)
	}
	b.log.await(t, "reports are delivered again")
}

func TestReportsWaitForTheStream(t *testing.T) {
	nats := newInstallation(t)
	js := nats.admin()
	b := newBench(t, nats.url(), nats.credentials(filepath.Join(t.TempDir(), "run.creds"), ofTheRun))
	appendReports(t, b.spool, 1, 3)
	b.log.await(t, "reports wait")
	createStream(t, js)
	b.drain(t)
	if diff := cmp.Diff(upTo(3), stored(t, js)); diff != "" {
		t.Errorf("in the stream:\n%s", diff)
	}
}

func TestCredentialsAreReadAtEachConnect(t *testing.T) {
	nats := newInstallation(t)
	js := nats.admin()
	createStream(t, js)
	file := filepath.Join(t.TempDir(), "run.creds")
	b := newBench(t, nats.url(), nats.credentials(file, func(c *jwt.UserClaims) { ofTheRun(c); c.Expires = 1 }))
	appendReports(t, b.spool, 1, 3)
	b.log.await(t, "reports are refused") // this one expired in 1970
	b.log.await(t, "refuses the run's credential "+file+": it has expired")
	late, cancel := context.WithCancel(context.Background())
	cancel() // the grace period has ended
	want := "3 reports were not delivered: NATS at " + nats.url() + " refuses the run's credential"
	if err := b.Drain(late); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("draining with an expired credential: %v", err)
	}
	nats.credentials(file, ofTheRun)
	b.drain(t)

	nats.credentials(file, func(c *jwt.UserClaims) { ofTheRun(c); c.Expires = 1 })
	nats.stop()
	nats.start()
	appendReports(t, b.spool, 4, 5)
	nats.credentials(file, ofTheRun)
	b.drain(t)
	if diff := cmp.Diff(upTo(5), stored(t, js)); diff != "" {
		t.Errorf("in the stream:\n%s", diff)
	}
}

func TestTheLastReportedBestIsInADeliveredReport(t *testing.T) {
	nats := newInstallation(t)
	createStream(t, nats.admin())
	b := newBench(t, nats.url(), nats.credentials(filepath.Join(t.TempDir(), "run.creds"), ofTheRun))
	named := report(1)
	named.Checkpoint = &wire.CheckpointRef{URI: "file:///store/best-e0001", Digest: "sha256:1"}
	b.spool.Append(named)
	appendReports(t, b.spool, 2, 3)
	b.drain(t)
	nats.stop()
	named.Sequence, named.Checkpoint = 4, &wire.CheckpointRef{URI: "file:///store/best-e0002", Digest: "sha256:2"}
	b.spool.Append(named)
	b.log.await(t, "reports wait")
	if got := b.LastReportedBest(); got != "file:///store/best-e0001" {
		t.Errorf("the last reported best is %q, want the checkpoint whose report was delivered", got)
	}
}

func TestASpoolKeepsOrderAndFreesDiskSpace(t *testing.T) {
	dir := t.TempDir()
	s, err := NewSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []int64
	takeOldest := func() {
		line, err := s.oldest(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var r wire.Report
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Sequence)
		if err := s.dropOldest(); err != nil {
			t.Fatal(err)
		}
	}
	appendReports(t, s, 1, 3)
	takeOldest()
	appendReports(t, s, 4, 4)
	for range 3 {
		takeOldest()
	}
	appendReports(t, s, 5, 5)
	takeOldest()
	if diff := cmp.Diff(upTo(5), got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(dir, "spool.jsonl")); err != nil || info.Size() != 0 {
		t.Errorf("an empty spool has %d bytes, error %v", info.Size(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.oldest(ctx); err == nil {
		t.Error("an empty spool returned a report")
	}
}

// syncBuffer is a log; await blocks until the log contains a text.
type syncBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more []chan struct{} // closed at the next Write
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.more {
		close(c)
	}
	s.more = nil
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *syncBuffer) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		found := strings.Contains(s.b.String(), text)
		more := make(chan struct{})
		s.more = append(s.more, more)
		s.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("the log does not contain %q after 30 s:\n%s", text, s)
		}
	}
}
