package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/wire"
)

const (
	requestTimeout = 5 * time.Second
	retryEvery     = 2 * time.Second
	checkEvery     = 10 * time.Second // of the stream's identity and the lag

	// forgetAfter is how long the server keeps a consumer that nobody reads. An operator that was disconnected for
	// longer creates another one.
	forgetAfter = 30 * time.Second
)

// errDisturbed means that follow must be called again: it checks whether the stream is still the same, and resumes
// reading where it stopped.
var errDisturbed = errors.New("the connection or the stream has changed")

// NeedLeaderElection returns true: only the leader reads the stream, because only the leader writes status.
func (g *Ingest) NeedLeaderElection() bool { return true }

// Start reads the stream until ctx ends. It reconnects for as long as NATS cannot be reached. It returns an error only
// if it cannot begin: if the active runs cannot be listed, or the options are wrong.
func (g *Ingest) Start(ctx context.Context) error {
	runs, err := g.options.Runs(ctx)
	if err != nil {
		return fmt.Errorf("list the runs whose reports to read: %w", err)
	}
	for i := range runs {
		g.Track(&runs[i])
	}
	g.done = ctx.Done()
	disturbed := make(chan struct{}, 1)
	nc, err := g.options.connect(func() {
		select {
		case disturbed <- struct{}{}:
		default: // one signal is waiting already, and one is enough
		}
	}, g.log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("set up JetStream: %w", err)
	}
	for {
		wait := retryEvery
		err := g.follow(ctx, js, disturbed)
		switch {
		case ctx.Err() != nil:
			return nil
		case !nc.IsConnected():
			g.setDisconnected(nc.LastError())
		case errors.Is(err, errDisturbed):
			wait = retryEvery / 20
		default:
			g.setDisconnected(err)
		}
		select {
		case <-ctx.Done():
		case <-disturbed: // usually by a connection that is up again
		case <-time.After(wait):
		}
	}
}

// follow creates or updates the stream and reads it. It returns nil when ctx ends, and an error when reading fails.
func (g *Ingest) follow(ctx context.Context, js jetstream.JetStream, disturbed <-chan struct{}) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(request, g.options.config())
	if err != nil {
		return fmt.Errorf("create or update the stream %s: %w", wire.Stream, err)
	}
	info := stream.CachedInfo()
	from := g.chooseStart(stream, info)
	g.measureStream(info)
	consumer, err := js.OrderedConsumer(request, wire.Stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       uint64(from),
		InactiveThreshold: forgetAfter,
	})
	if err != nil {
		return fmt.Errorf("read the stream %s: %w", wire.Stream, err)
	}
	failed := make(chan error, 1)
	onError := func(_ jetstream.ConsumeContext, err error) {
		select {
		case failed <- err:
		default: // the first error is enough
		}
	}
	reading, err := consumer.Consume(g.receive, jetstream.ConsumeErrHandler(onError))
	if err != nil {
		return fmt.Errorf("read the stream %s: %w", wire.Stream, err)
	}
	defer func() {
		reading.Stop()
		<-reading.Closed()
	}()
	g.setConnected(from > int64(info.State.LastSeq))
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-disturbed:
			return errDisturbed
		case err := <-failed:
			return fmt.Errorf("%w: %w", errDisturbed, err)
		case <-check.C:
			if err := g.checkStream(ctx, stream); err != nil {
				return err
			}
		}
	}
}

// receive folds one message. JetStream calls it for one message after the other.
func (g *Ingest) receive(m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil { // It is not a message of the stream.
		g.log.Error(err, "read a message's place in the stream", "subject", m.Subject())
		return
	}
	g.foldMessage(m.Subject(), int64(meta.Sequence.Stream), meta.Timestamp, m.Data(), meta.NumPending == 0)
	metrics.Lag.Set(float64(meta.NumPending))
}

// chooseStart returns the sequence from which to read, and marks the ledgers that are not whole. At the first time that
// is where the oldest active run's reports begin. After an interruption it is where reading stopped. A stream that was
// replaced is read from its start, and no ledger is whole any more.
func (g *Ingest) chooseStart(handle jetstream.Stream, info *jetstream.StreamInfo) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, first, last := identity(info), int64(info.State.FirstSeq), int64(info.State.LastSeq)
	from := g.stream.Next
	switch g.stream.ID {
	case id: // after an interruption
		g.markPartial(func(*trackedRun) bool { return first > from })
		// If the stream's last sequence is below the last one that was read, the server has lost its newest messages.
		// It gives their sequences to the next messages.
		from = min(from, last+1)
	case "": // at the first time
		from = last + 1
		for _, run := range g.runs {
			if run.began.ID != id {
				run.began.Sequence = 1
			}
			from = max(1, min(from, run.began.Sequence))
		}
		for _, run := range g.runs {
			run.whole = run.began.ID == id && first <= max(1, run.began.Sequence)
		}
	default:
		g.log.Info("the report stream was replaced", "was", g.stream.ID, "is", id)
		from = 1
		g.markPartial(func(*trackedRun) bool { return true })
	}
	from = max(from, first) // The messages before first were dropped, and the ledgers are marked already.
	g.handle, g.stream.ID, g.stream.Next = handle, id, from
	return from
}

// markPartial marks the ledgers of the runs that match as not whole.
func (g *Ingest) markPartial(match func(*trackedRun) bool) {
	for _, run := range g.runs {
		run.whole = run.whole && !match(run)
	}
}

// setConnected records that the stream is being read. upToDate reports that the stream holds no message to be read.
func (g *Ingest) setConnected(upToDate bool) {
	g.mu.Lock()
	if !g.stream.Connected {
		g.stream.Since = time.Now()
	}
	g.stream.Connected, g.stream.Problem = true, ""
	g.stream.Current = g.stream.Current || upToDate
	g.mu.Unlock()
	g.triedOnce.Do(func() { close(g.tried) })
	metrics.Connected.Set(1)
	g.wakeAll()
}

// setDisconnected records that the stream is not being read, and why.
func (g *Ingest) setDisconnected(err error) {
	g.mu.Lock()
	was := g.stream
	g.stream.Connected, g.stream.Problem = false, g.options.describe(err)
	changed := was.Connected || was.Problem != g.stream.Problem
	g.mu.Unlock()
	g.triedOnce.Do(func() { close(g.tried) })
	metrics.Connected.Set(0)
	if changed {
		g.log.Info("the report stream cannot be read", "cause", fmt.Sprint(err))
		g.wakeAll()
	}
}

// measureStream sets the metrics of the stream: its size, how far behind reading is, and how many messages no active
// run needs.
func (g *Ingest) measureStream(info *jetstream.StreamInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first, last := int64(info.State.FirstSeq), int64(info.State.LastSeq)
	needed := last + 1
	for _, run := range g.runs {
		if run.began.ID != g.stream.ID {
			needed = first
		}
		needed = min(needed, run.began.Sequence)
	}
	metrics.Lag.Set(float64(max(0, last+1-g.stream.Next)))
	metrics.Messages.Set(float64(info.State.Msgs))
	metrics.Spare.Set(float64(min(max(0, needed-first), int64(info.State.Msgs))))
	metrics.Bytes.Set(float64(info.State.Bytes))
	metrics.BytesLimit.Set(float64(info.Config.MaxBytes))
}

// checkStream updates the stream's metrics. It returns errDisturbed if the stream was replaced.
func (g *Ingest) checkStream(ctx context.Context, stream jetstream.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("read the state of the stream %s: %w", wire.Stream, err)
	}
	now := g.Stream()
	if identity(info) != now.ID {
		return errDisturbed
	}
	g.measureStream(info)
	// If all messages have expired, none will arrive with NumPending 0.
	if info.State.Msgs == 0 {
		g.setConnected(true)
	}
	return nil
}
