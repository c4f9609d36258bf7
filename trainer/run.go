package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/outbox"
	"plumbline.dev/plumbline/trainer/watchdog"
	"plumbline.dev/plumbline/wire"
)

// drainLimits are how long the end waits for reports to be delivered.
type drainLimits struct{ finished, failed, interrupted time.Duration }

// usualDrainLimits: a finished trial waits longest, since exit 0 says that everything is in the stream, and another attempt would cost
// more than waiting. An interrupted one has a grace period to think of.
var usualDrainLimits = drainLimits{finished: 2 * time.Minute, failed: 30 * time.Second, interrupted: 10 * time.Second}

func newRunCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Train the trial that " + wire.EnvTrial + " describes (in a pod)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrial(cmd.Context(), p) },
	}
}

// runTrial trains a pod's trial and leaves its last word.
func runTrial(ctx context.Context, p *program) error {
	log := p.log()
	text := p.env(wire.EnvTrial)
	t, err := wire.DecodeTrial([]byte(text))
	if err != nil {
		return endPod(resultFile(text), log, loop.Outcome{}, settingsError(err))
	}
	uid := p.env(wire.EnvPodUID)
	if uid == "" {
		return endPod(t.Result, log, loop.Outcome{}, settingsError(fmt.Errorf("%s is not set: without the pod's uid two attempts could write to one place", wire.EnvPodUID)))
	}
	log = log.With("trial", t.Name, "attempt", t.Attempt)
	log.Info("trial begins", "run", t.Run.Namespace+"/"+t.Run.Name, "depth", t.Depth, "threads", t.Threads, "gpu", t.GPU, "release", wire.Release)
	out, err := runWithOutbox(ctx, t, uid, p, log)
	return endPod(t.Result, log, out, err)
}

// trainWatched trains with a watchdog beside it. A step that hangs cannot be interrupted, so there is nothing to clean up after: the pod says
// what it did last, and ends. What was committed stays valid, and the next attempt goes on from there.
func (a attempt) trainWatched(ctx context.Context, p *program) (loop.Outcome, error) {
	if a.trial.StallSeconds == 0 {
		return a.train(ctx)
	}
	dog := watchdog.New(time.Duration(a.trial.StallSeconds) * time.Second)
	a.worked = dog.Worked
	looks := time.NewTicker(dog.Every())
	defer looks.Stop()
	defer dog.Watch(looks.C, func(s watchdog.Stall) {
		_ = endPodWithError(a.log, a.trial.Result, &ending{code: wire.ExitStalled, reason: "Stalled", err: s}, s.Epoch) // it ends all the same
		p.exit(wire.ExitStalled)
	})()
	return a.train(ctx)
}

// runWithOutbox trains with a spool and, where there is a server, a sender behind it.
func runWithOutbox(ctx context.Context, t wire.Trial, podUID string, p *program, log *slog.Logger) (loop.Outcome, error) {
	spool, err := outbox.NewSpool(t.Scratch)
	if err != nil {
		return loop.Outcome{}, storeError(t.Scratch, err)
	}
	defer spool.Close()
	a := attempt{trial: t, writer: t.Writer(podUID), gpu: t.GPU && p.env(wire.EnvSimulatedGPU) != "1", log: log, spool: spool.Append, mayStartOver: true}
	if t.Reports.URL == "" {
		log.Warn("reports stay in the checkpoints: there is no server to send them to")
		return a.trainWatched(ctx, p)
	}
	sender := outbox.Start(outbox.Config{
		Reports: t.Reports, RunUID: t.Run.UID, Log: log,
		Ack: outbox.DefaultAck, Backoff: outbox.DefaultBackoff, Longest: outbox.DefaultLongest,
	}, spool)
	defer sender.Close()
	a.pinned = sender.LastReportedBest
	out, err := a.trainWatched(ctx, p)
	return out, drain(ctx, sender, p.drainLimits, log, err)
}

// drain gives the reports time to be delivered. A trial that is done, well or for good, and could not tell it has not ended yet: the next
// attempt tells what the last checkpoint holds, and comes to the same end. Without one the reports, which may name the sweep's best,
// would never be told.
func drain(ctx context.Context, sender *outbox.Sender, limits drainLimits, log *slog.Logger, trained error) error {
	limit := limits.failed
	switch {
	case ctx.Err() != nil:
		ctx, limit = context.WithoutCancel(ctx), limits.interrupted
	case trained == nil:
		limit = limits.finished
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := sender.Drain(ctx)
	switch {
	case err == nil:
		return trained
	case trained == nil:
		return undelivered(fmt.Errorf("training is done, but %w; the next attempt tells them", err))
	case wire.Classify(wire.Ended{ExitCode: int32(endingOf(trained).code)}).Retry() == wire.RetryNever:
		return undelivered(fmt.Errorf("%v; but %w; the next attempt tells them, and ends for good", trained, err))
	}
	log.Warn("reports are left behind; the next attempt tells them from the last checkpoint", "error", err)
	return trained
}

func undelivered(why error) error {
	return &ending{code: wire.ExitInterrupted, reason: "ReportsUndelivered", err: why}
}

// endPod ends a pod: the log and the termination message say the same.
func endPod(file string, log *slog.Logger, out loop.Outcome, err error) error {
	if err == nil {
		log.Info("trial is done", "epoch", out.Epoch, "best", out.Best.Epoch, "aucPR", fmt.Sprintf("%.4g", out.Best.Metrics.AUCPR), "checkpoint", out.Best.Checkpoint.URI)
		return writeResult(file, wire.Result{Reason: "Succeeded", Epoch: out.Epoch, Message: fmt.Sprintf("the best is epoch %d with an AUC-PR of %.4f", out.Best.Epoch, out.Best.Metrics.AUCPR)})
	}
	return endPodWithError(log, file, err, out.Epoch)
}

// endPodWithError says an error in the log and in the pod's last word.
func endPodWithError(log *slog.Logger, file string, err error, epoch int) error {
	e := *endingOf(err)
	e.logged = true
	log.Error("the pod ends without success", "reason", e.reason, "exitCode", e.code, "where", e.where, "error", err)
	return errors.Join(&e, writeResult(file, wire.Result{Reason: e.reason, Message: err.Error(), Where: e.where, Epoch: epoch}))
}

// resultFile finds where to leave the last word in a document that could not be read otherwise.
func resultFile(text string) string {
	var d struct {
		Result string `json:"result"`
	}
	_ = json.Unmarshal([]byte(text), &d) // nothing found: nowhere to write
	return d.Result
}
