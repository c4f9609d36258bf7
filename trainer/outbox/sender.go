package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/wire"
)

// Config says where reports are sent, and how long the Sender waits.
type Config struct {
	Reports wire.ReportSettings
	RunUID  string
	Log     *slog.Logger
	Ack     time.Duration // how long the Sender waits for an acknowledgement before it sends the report again
	Backoff time.Duration // the wait after a first failure; each further failure doubles it
	Longest time.Duration // the longest wait after a failure
}

// Default values of Config's waits. After an outage, reports reach a person who is watching within seconds, and a
// thousand pods that reconnect do not overload the server.
const (
	DefaultBackoff = 250 * time.Millisecond
	DefaultLongest = 5 * time.Second
	DefaultAck     = 5 * time.Second
)

// Sender delivers the reports in a spool in the background.
type Sender struct {
	cfg    Config
	spool  *Spool
	conn   *nats.Conn
	stream jetstream.JetStream
	stop   context.CancelFunc
	done   chan struct{}
	failed bool // nothing has been delivered since the last failure

	mu           sync.Mutex
	reportedBest string // see LastReportedBest
	refused      string // see refusal; empty if waiting may help
}

// Start returns a Sender that has started to deliver. The server need not be reachable yet.
func Start(cfg Config, spool *Spool) *Sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{cfg: cfg, spool: spool, stop: stop, done: make(chan struct{})}
	go s.work(ctx)
	return s
}

// Drain blocks until all reports are delivered, or until ctx ends. In the second case its error says how many reports
// were not delivered, and why.
func (s *Sender) Drain(ctx context.Context) error {
	if err := s.spool.awaitEmpty(ctx); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refused != "" {
			return fmt.Errorf("%d reports were not delivered: %s: %w", s.spool.Waiting(), s.refused, err)
		}
		return fmt.Errorf("%d reports were not delivered to %s: %w", s.spool.Waiting(), s.cfg.Reports.URL, err)
	}
	return nil
}

// Close stops delivering at once. Reports that are not delivered stay in the spool.
func (s *Sender) Close() {
	s.stop()
	<-s.done
	if s.conn != nil {
		s.conn.Close()
	}
}

// LastReportedBest returns the uri of the checkpoint in the last delivered report that names one. As far as the
// operator knows, this is the trial's best. The uri is empty before there is one.
func (s *Sender) LastReportedBest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reportedBest
}

// work delivers one report after the other. It retries each report until it is delivered, because reports must arrive
// in order.
func (s *Sender) work(ctx context.Context) {
	defer close(s.done)
	wait := s.cfg.Backoff
	for ctx.Err() == nil {
		line, err := s.spool.oldest(ctx)
		if err == nil {
			err = s.deliver(ctx, line)
		}
		if err == nil {
			err = s.spool.dropOldest()
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = s.cfg.Backoff
			if s.failed {
				s.failed = false
				s.setRefused("")
				s.cfg.Log.Info("reports are delivered again", "waiting", s.spool.Waiting())
			}
			continue
		default:
			s.logFailure(err)
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, s.cfg.Longest)
		case <-ctx.Done():
		}
	}
}

// logFailure logs the first failure after a success, and later an explanation from refusal whenever it is a new one.
func (s *Sender) logFailure(err error) {
	why := s.refusal(err)
	switch {
	case why != "" && s.setRefused(why):
		s.cfg.Log.Error("reports are refused: training continues, and the reports are kept",
			"waiting", s.spool.Waiting(), "why", why)
	case why == "" && !s.failed:
		s.cfg.Log.Warn("reports wait for NATS: training continues", "waiting", s.spool.Waiting(),
			"url", s.cfg.Reports.URL, "error", err)
	}
	s.failed = true
}

// setRefused stores why reports are refused and reports whether that has changed.
func (s *Sender) setRefused(why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.refused != why
	s.refused = why
	return changed
}

// deliver sends one report and waits for the acknowledgement. The message has no id (docs/adr/0012): if an
// acknowledgement comes too late, the stream holds the report twice, and the operator's ledger drops the second by
// the report's origin.
func (s *Sender) deliver(ctx context.Context, line []byte) error {
	var r wire.Report
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	if err := s.connect(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Ack)
	defer cancel()
	failpoint.Here("publish.before")
	_, err := s.stream.PublishMsg(ctx, &nats.Msg{Subject: wire.Subject(r.RunUID, r.Trial, r.Attempt), Data: line},
		jetstream.WithExpectStream(wire.Stream), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("send report %d: %w", r.Sequence, err)
	}
	failpoint.Here("publish.after") // it has been acknowledged
	if r.Checkpoint != nil {
		s.mu.Lock()
		s.reportedBest = r.Checkpoint.URI
		s.mu.Unlock()
	}
	return nil
}

// connect connects if there is no connection yet. After that the client reconnects by itself, without end.
func (s *Sender) connect() error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	options := []nats.Option{
		nats.Name("plumbline trial of run " + s.cfg.RunUID),
		nats.CustomInboxPrefix(wire.InboxPrefix(s.cfg.RunUID)), // the credential may subscribe to nothing else
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(s.reconnectDelay),
		nats.IgnoreAuthErrorAbort(), // an expired credential is replaced in its file
		nats.ReconnectBufSize(-1),   // the spool is the buffer
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.cfg.Log.Warn("NATS reported an error", "error", err)
		}),
	}
	if file := s.cfg.Reports.Credentials; file != "" {
		options = append(options, nats.UserCredentials(file)) // the client reads the file at each connect
	}
	if file := s.cfg.Reports.CA; file != "" {
		options = append(options, nats.RootCAs(file))
	}
	conn, err := nats.Connect(s.cfg.Reports.URL, options...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", s.cfg.Reports.URL, err)
	}
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return fmt.Errorf("connect to %s: %w", s.cfg.Reports.URL, err)
	}
	s.conn, s.stream = conn, stream
	return nil
}

// reconnectDelay returns how long the client waits before it reconnects after this many attempts.
func (s *Sender) reconnectDelay(attempts int) time.Duration {
	wait := s.cfg.Backoff
	for range attempts {
		if wait = 2 * wait; wait >= s.cfg.Longest {
			return s.cfg.Longest
		}
	}
	return wait
}
