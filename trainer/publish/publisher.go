package publish

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

// Publisher delivers a spool in the background.
type Publisher struct {
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
func Start(cfg Config, spool *Spool) *Publisher {
	ctx, stop := context.WithCancel(context.Background())
	p := &Publisher{cfg: cfg, spool: spool, stop: stop, done: make(chan struct{})}
	go p.work(ctx)
	return p
}

// Drain waits until all is delivered, or until ctx ends; then it says how many reports are left behind.
func (p *Publisher) Drain(ctx context.Context) error {
	if err := p.spool.empty(ctx); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.refused != "" {
			return fmt.Errorf("%d reports were not delivered: %s: %w", p.spool.Waiting(), p.refused, err)
		}
		return fmt.Errorf("%d reports were not delivered to %s: %w", p.spool.Waiting(), p.cfg.Reports.URL, err)
	}
	return nil
}

// Close stops delivering at once.
func (p *Publisher) Close() {
	p.stop()
	<-p.done
	if p.conn != nil {
		p.conn.Close()
	}
}

// LastNamed is the uri of the last checkpoint that a delivered report named: as far as the operator knows, the trial's best.
func (p *Publisher) LastNamed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.named
}

// work delivers one report after the other. It gives up on none of them: the one after it must not overtake.
func (p *Publisher) work(ctx context.Context) {
	defer close(p.done)
	wait := p.cfg.Backoff
	for ctx.Err() == nil {
		line, err := p.spool.oldest(ctx)
		if err == nil {
			err = p.deliver(ctx, line)
		}
		if err == nil {
			err = p.spool.trim()
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = p.cfg.Backoff
			if p.away {
				p.away = false
				p.refuse("")
				p.cfg.Log.Info("reports are delivered again", "waiting", p.spool.Waiting())
			}
			continue
		default:
			p.wait(err)
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, p.cfg.Longest)
		case <-ctx.Done():
		}
	}
}

// wait says once that reports wait, and once more when it turns out that waiting will not help.
func (p *Publisher) wait(err error) {
	why := p.refusal(err)
	switch {
	case why != "" && p.refuse(why):
		p.cfg.Log.Error("reports are refused: training goes on, and they are kept", "waiting", p.spool.Waiting(), "why", why)
	case why == "" && !p.away:
		p.cfg.Log.Warn("reports wait: training goes on", "waiting", p.spool.Waiting(), "url", p.cfg.Reports.URL, "error", err)
	}
	p.away = true
}

// refuse notes why reports are refused and says whether that is new.
func (p *Publisher) refuse(why string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.refused
	p.refused = why
	return was != why
}

// deliver makes one attempt. It gives the message no id (docs/adr/0012): the stream then holds twice what was acknowledged too late, and
// the operator's ledger drops that by writer and sequence.
func (p *Publisher) deliver(ctx context.Context, line []byte) error {
	var r wire.Report
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	if err := p.connect(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Ack)
	defer cancel()
	failpoint.Here("publish.before")
	_, err := p.stream.PublishMsg(ctx, &nats.Msg{Subject: wire.Subject(r.RunUID, r.Trial, r.Attempt), Data: line},
		jetstream.WithExpectStream(wire.Stream), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("publish report %d: %w", r.Sequence, err)
	}
	failpoint.Here("publish.after") // it has been acknowledged
	if r.Checkpoint != nil {
		p.mu.Lock()
		p.named = r.Checkpoint.URI
		p.mu.Unlock()
	}
	return nil
}

// connect connects once; after that the client reconnects by itself, for ever.
func (p *Publisher) connect() error {
	if p.conn != nil && !p.conn.IsClosed() {
		return nil
	}
	options := []nats.Option{
		nats.Name("plumbline trial of run " + p.cfg.RunUID),
		nats.CustomInboxPrefix(wire.InboxPrefix(p.cfg.RunUID)), // all that the credential may subscribe to
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(p.reconnectDelay),
		nats.IgnoreAuthErrorAbort(), // an expired credential is replaced in its file
		nats.ReconnectBufSize(-1),   // the spool is the buffer
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { p.cfg.Log.Warn("NATS objects", "error", err) }),
	}
	if file := p.cfg.Reports.Credentials; file != "" {
		options = append(options, nats.UserCredentials(file)) // read again at each connect
	}
	if file := p.cfg.Reports.CA; file != "" {
		options = append(options, nats.RootCAs(file))
	}
	conn, err := nats.Connect(p.cfg.Reports.URL, options...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", p.cfg.Reports.URL, err)
	}
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return fmt.Errorf("connect to %s: %w", p.cfg.Reports.URL, err)
	}
	p.conn, p.stream = conn, stream
	return nil
}

func (p *Publisher) reconnectDelay(attempts int) time.Duration {
	wait := p.cfg.Backoff
	for range attempts {
		if wait = 2 * wait; wait >= p.cfg.Longest {
			return p.cfg.Longest
		}
	}
	return wait
}
