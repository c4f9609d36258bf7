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

// Config says where reports go.
type Config struct {
	Reports wire.Reports
	RunUID  string
	Log     *slog.Logger
	Ack     time.Duration // how long one attempt waits for the acknowledgement
	Backoff time.Duration // the first wait after a failure, doubled up to Longest
	Longest time.Duration
}

// Waits while NATS is away: soon enough that nobody watching notices, seldom enough for a thousand pods.
const (
	DefaultBackoff = 250 * time.Millisecond
	DefaultLongest = 5 * time.Second
	DefaultAck     = 5 * time.Second
)

// Sender delivers a spool in the background.
type Sender struct {
	cfg    Config
	spool  *Spool
	conn   *nats.Conn
	stream jetstream.JetStream
	stop   context.CancelFunc
	done   chan struct{}
	away   bool // nothing has been delivered since the last failure

	mu      sync.Mutex
	named   string
	refused string // why waiting will not help, in words; empty: it may
}

// Start begins to deliver. It needs no server to be there yet.
func Start(cfg Config, spool *Spool) *Sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{cfg: cfg, spool: spool, stop: stop, done: make(chan struct{})}
	go s.work(ctx)
	return s
}

// Drain waits until all is delivered, or until ctx ends; then it says how many reports are left behind.
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

// Close stops delivering at once.
func (s *Sender) Close() {
	s.stop()
	<-s.done
	if s.conn != nil {
		s.conn.Close()
	}
}

// LastNamed is the uri of the last checkpoint that a delivered report named: as far as the operator knows, the trial's best.
func (s *Sender) LastNamed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named
}

// work delivers one report after the other. It gives up on none of them: the one after it must not overtake.
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
			if s.away {
				s.away = false
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

// logFailure says once that reports wait, and once more when it turns out that waiting will not help.
func (s *Sender) logFailure(err error) {
	why := s.refusal(err)
	switch {
	case why != "" && s.setRefused(why):
		s.cfg.Log.Error("reports are refused: training goes on, and they are kept", "waiting", s.spool.Waiting(), "why", why)
	case why == "" && !s.away:
		s.cfg.Log.Warn("reports wait: training goes on", "waiting", s.spool.Waiting(), "url", s.cfg.Reports.URL, "error", err)
	}
	s.away = true
}

// setRefused notes why reports are refused and says whether that is new.
func (s *Sender) setRefused(why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.refused
	s.refused = why
	return was != why
}

// deliver makes one attempt. It gives the message no id (docs/adr/0012): the stream then holds twice what was acknowledged too late, and
// the operator's ledger drops that by writer and sequence.
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
		s.named = r.Checkpoint.URI
		s.mu.Unlock()
	}
	return nil
}

// connect connects once; after that the client reconnects by itself, for ever.
func (s *Sender) connect() error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	options := []nats.Option{
		nats.Name("plumbline trial of run " + s.cfg.RunUID),
		nats.CustomInboxPrefix(wire.InboxPrefix(s.cfg.RunUID)), // all that the credential may subscribe to
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(s.reconnectDelay),
		nats.IgnoreAuthErrorAbort(), // an expired credential is replaced in its file
		nats.ReconnectBufSize(-1),   // the spool is the buffer
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.cfg.Log.Warn("NATS objects", "error", err) }),
	}
	if file := s.cfg.Reports.Credentials; file != "" {
		options = append(options, nats.UserCredentials(file)) // read again at each connect
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

func (s *Sender) reconnectDelay(attempts int) time.Duration {
	wait := s.cfg.Backoff
	for range attempts {
		if wait = 2 * wait; wait >= s.cfg.Longest {
			return s.cfg.Longest
		}
	}
	return wait
}
