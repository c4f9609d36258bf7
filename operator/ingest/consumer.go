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
	checkEvery     = 10 * time.Second // at the stream's identity and the lag

	// forgetAfter is how long the server keeps the consumer of an operator that is gone. One that only was away makes
	// another.
	forgetAfter = 30 * time.Second
)

// errDisturbed: reading must begin again where it was, with a look at whether the stream is still the same.
var errDisturbed = errors.New("the connection or the stream has changed")

// NeedLeaderElection: only the leader reads, because only the leader writes status.
func (g *Ingest) NeedLeaderElection() bool { return true }

// Start reads the stream until ctx ends, whatever happens to NATS meanwhile.
func (g *Ingest) Start(ctx context.Context) error {
	runs, err := g.options.Runs(ctx)
	if err != nil {
		return fmt.Errorf("list the runs whose reports are to be read: %w", err)
	}
	for i := range runs {
		g.Track(&runs[i])
	}
	g.done = ctx.Done()
	disturbed := make(chan struct{}, 1)
	nc, err := g.options.connect(func() {
		select {
		case disturbed <- struct{}{}:
		default: // one is enough
		}
	}, g.log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	for {
		wait := retryEvery
		err := g.follow(ctx, js, disturbed)
		switch {
		case ctx.Err() != nil:
			return nil
		case !nc.IsConnected():
			g.setAway(nc.LastError())
		case errors.Is(err, errDisturbed):
			wait = retryEvery / 20
		default:
			g.setAway(err)
		}
		select {
		case <-ctx.Done():
		case <-disturbed: // mostly that the connection is there again
		case <-time.After(wait):
		}
	}
}

// follow reads the stream until something is wrong with it.
func (g *Ingest) follow(ctx context.Context, js jetstream.JetStream, disturbed <-chan struct{}) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(request, g.options.config())
	if err != nil {
		return fmt.Errorf("make the stream %s: %w", wire.Stream, err)
	}
	info := stream.CachedInfo()
	from := g.chooseStart(stream, info)
	g.measureStream(info)
	consumer, err := js.OrderedConsumer(request, wire.Stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(from), InactiveThreshold: forgetAfter,
	})
	if err != nil {
		return fmt.Errorf("read the stream %s: %w", wire.Stream, err)
	}
	failed := make(chan error, 1)
	reading, err := consumer.Consume(g.receive, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		select {
		case failed <- err:
		default:
		}
	}))
	if err != nil {
		return fmt.Errorf("read the stream %s: %w", wire.Stream, err)
	}
	defer func() {
		reading.Stop()
		<-reading.Closed()
	}()
	g.setConnected(from > int64(info.State.LastSeq))
	look := time.NewTicker(checkEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-disturbed:
			return errDisturbed
		case err := <-failed:
			return fmt.Errorf("%w: %w", errDisturbed, err)
		case <-look.C:
			if err := g.checkStream(ctx, stream); err != nil {
				return err
			}
		}
	}
}

func (g *Ingest) receive(m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil { // not a message of the stream
		g.log.Error(err, "read a message's place in the stream", "subject", m.Subject())
		return
	}
	g.foldMessage(m.Subject(), int64(meta.Sequence.Stream), meta.Timestamp, m.Data(), meta.NumPending == 0)
	metrics.Lag.Set(float64(meta.NumPending))
}

// chooseStart decides where to read from. After a pause it is where reading stopped; at the first time it is where the
// oldest active run's reports begin. A stream that was replaced is read from its start, and no ledger is complete any
// more.
func (g *Ingest) chooseStart(handle jetstream.Stream, info *jetstream.StreamInfo) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, first, last := identity(info), int64(info.State.FirstSeq), int64(info.State.LastSeq)
	from := g.stream.Next
	switch g.stream.ID {
	case id:
		g.markPartial(func(*trackedRun) bool { return first > from })
		from = min(from, last+1) // less than was read: the server has lost its newest messages and counts from there again
	case "":
		from = last + 1
		for _, f := range g.runs {
			if f.began.ID != id {
				f.began.Sequence = 1
			}
			from = max(1, min(from, f.began.Sequence))
		}
		for _, f := range g.runs {
			f.whole = f.began.ID == id && first <= max(1, f.began.Sequence)
		}
	default:
		g.log.Info("the report stream was replaced", "was", g.stream.ID, "is", id)
		from = 1
		g.markPartial(func(*trackedRun) bool { return true })
	}
	from = max(from, first) // what is before it was dropped, which is known by now
	g.handle, g.stream.ID, g.stream.Next = handle, id, from
	return from
}

// markPartial marks ledgers that can no longer be whole.
func (g *Ingest) markPartial(match func(*trackedRun) bool) {
	for _, f := range g.runs {
		f.whole = f.whole && !match(f)
	}
}

// setConnected says that reading goes on; nothing is there to be read when upToDate.
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

// setAway says that reading has stopped, and why.
func (g *Ingest) setAway(err error) {
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

// measureStream says how the stream is: how far behind reading is, and how much of it an active run still needs.
func (g *Ingest) measureStream(info *jetstream.StreamInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first, last := int64(info.State.FirstSeq), int64(info.State.LastSeq)
	needed := last + 1
	for _, f := range g.runs {
		if f.began.ID != g.stream.ID {
			needed = first
		}
		needed = min(needed, f.began.Sequence)
	}
	metrics.Lag.Set(float64(max(0, last+1-g.stream.Next)))
	metrics.Messages.Set(float64(info.State.Msgs))
	metrics.Spare.Set(float64(min(max(0, needed-first), int64(info.State.Msgs))))
	metrics.Bytes.Set(float64(info.State.Bytes))
	metrics.BytesLimit.Set(float64(info.Config.MaxBytes))
}

// checkStream finds out whether the stream is still the one that is read, and how far behind reading is.
func (g *Ingest) checkStream(ctx context.Context, stream jetstream.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("look at the stream %s: %w", wire.Stream, err)
	}
	now := g.Stream()
	if identity(info) != now.ID {
		return errDisturbed
	}
	g.measureStream(info)
	if info.State.Msgs == 0 { // all that was there has expired: nothing will arrive to say that it was the last
		g.setConnected(true)
	}
	return nil
}
