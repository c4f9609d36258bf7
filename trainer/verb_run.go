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

// drainLimits are how long a trial waits at its end until its reports are delivered.
type drainLimits struct{ finished, failed, interrupted time.Duration }

// usualDrainLimits are the limits of a pod. A finished trial waits longest, because exit code 0 says that all reports
// are in the stream, and because another attempt would cost more than waiting. An interrupted trial waits shortest,
// because its pod is killed after the grace period.
var usualDrainLimits = drainLimits{finished: 2 * time.Minute, failed: 30 * time.Second, interrupted: 10 * time.Second}

const runHelp = `Train the trial that the environment variable ` + wire.EnvTrial + ` describes. The operator
starts this in a pod; to train on one machine use "fit".

` + wire.EnvTrial + ` holds the trial as JSON (see wire/trial.go), and ` + wire.EnvPodUID + ` the uid of the pod.
If checkpoints of an earlier attempt exist, the trial resumes from the newest. The exit code and the result, a JSON
document in the file that the trial names, tell the operator how the attempt ended.`

const runExample = `  ` + wire.EnvTrial + `="$(cat trial.json)" ` + wire.EnvPodUID + `=pod1 plumbline-trainer run`

func newRunCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:     "run",
		Short:   "Train the trial that " + wire.EnvTrial + " describes (in a pod)",
		Long:    runHelp,
		Example: runExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runTrial(cmd.Context(), p) },
	}
}

// runTrial trains a pod's trial and writes the pod's termination message.
func runTrial(ctx context.Context, p *program) error {
	log := p.log()
	text := p.env(wire.EnvTrial)
	t, err := wire.DecodeTrial([]byte(text))
	if err != nil {
		return leaveResult(log, resultFile(text), loop.Outcome{}, settingsError(err))
	}
	uid := p.env(wire.EnvPodUID)
	if uid == "" {
		err := fmt.Errorf("%s is not set: without the pod's uid two attempts could write to the same directory",
			wire.EnvPodUID)
		return leaveResult(log, t.Result, loop.Outcome{}, settingsError(err))
	}
	log = log.With("trial", t.Name, "attempt", t.Attempt)
	log.Info("attempt starts", "run", t.Run.Namespace+"/"+t.Run.Name,
		"depth", t.Depth, "threads", t.Threads, "gpu", t.GPU, "release", wire.Release)
	out, err := runWithOutbox(ctx, t, uid, p, log)
	return leaveResult(log, t.Result, out, err)
}

// trainWatched trains with a watchdog beside it. A step that hangs cannot be interrupted. Therefore, on a stall, the
// process writes its termination message and ends at once, without cleaning up. Its committed checkpoints stay valid,
// and the next attempt resumes from them.
func (tp trialProcess) trainWatched(ctx context.Context, p *program) (loop.Outcome, error) {
	if tp.trial.StallSeconds == 0 {
		return tp.train(ctx)
	}
	dog := watchdog.New(time.Duration(tp.trial.StallSeconds) * time.Second)
	tp.worked = dog.Worked
	checks := time.NewTicker(dog.Every())
	defer checks.Stop()
	stop := dog.Watch(checks.C, func(s watchdog.Stall) {
		stalled := &ending{code: wire.ExitStalled, reason: "Stalled", err: s}
		_ = leaveFailure(tp.log, tp.trial.Result, stalled, s.Epoch) // the process ends even if this fails
		p.exit(wire.ExitStalled)
	})
	defer stop()
	return tp.train(ctx)
}

// runWithOutbox trains with a spool of reports and, if there is a server, a sender that delivers them.
func runWithOutbox(
	ctx context.Context, t wire.Trial, podUID string, p *program, log *slog.Logger,
) (loop.Outcome, error) {
	spool, err := outbox.NewSpool(t.Scratch)
	if err != nil {
		return loop.Outcome{}, storeError(t.Scratch, err)
	}
	defer spool.Close()
	process := trialProcess{
		trial:        t,
		writer:       t.Writer(podUID),
		gpu:          t.GPU && p.env(wire.EnvSimulatedGPU) != "1",
		log:          log,
		spool:        spool.Append,
		mayStartOver: true,
	}
	if t.Reports.URL == "" {
		log.Warn("no server is configured: reports are kept only in the checkpoints")
		return process.trainWatched(ctx, p)
	}
	sender := outbox.Start(outbox.Config{
		Reports: t.Reports,
		RunUID:  t.Run.UID,
		Log:     log,
		Ack:     outbox.DefaultAck,
		Backoff: outbox.DefaultBackoff,
		Longest: outbox.DefaultLongest,
	}, spool)
	defer sender.Close()
	process.pinned = sender.LastReportedBest
	out, err := process.trainWatched(ctx, p)
	return out, drain(ctx, sender, p.drainLimits, log, err)
}

// drain waits until the reports are delivered, within a limit, and returns the error with which the attempt ends.
// trained is the error of training.
//
// An attempt is the trial's last if training is done, or if it failed in a way that is never retried. If such an
// attempt cannot deliver its reports, it ends as interrupted instead. Then another attempt follows, sends the reports
// of the last checkpoint, and ends in the same way. Otherwise the reports, which may name the sweep's best, would be
// lost.
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
		return undelivered(fmt.Errorf("training is done, but %w; the next attempt sends them", err))
	case wire.Classify(wire.Ended{ExitCode: int32(endingOf(trained).code)}).Retry() == wire.RetryNever:
		// trained is not wrapped: it must not decide how this attempt ends.
		return undelivered(fmt.Errorf("%s; but %w; the next attempt sends them, and then ends in the same way",
			trained.Error(), err))
	}
	log.Warn("reports are not delivered; the next attempt sends those that the last checkpoint holds", "error", err)
	return trained
}

// undelivered returns the ending of an attempt that could not deliver its reports.
func undelivered(why error) error {
	return &ending{code: wire.ExitInterrupted, reason: "ReportsUndelivered", err: why}
}

// leaveResult leaves the result of an attempt in the log and in the termination message, which it writes to file. It
// returns err as an ending, joined with the error of writing.
func leaveResult(log *slog.Logger, file string, out loop.Outcome, err error) error {
	if err == nil {
		best := out.Best
		log.Info("trial done", "epoch", out.Epoch, "best", best.Epoch,
			"aucPR", fmt.Sprintf("%.4g", best.Metrics.AUCPR), "checkpoint", best.Checkpoint.URI)
		message := fmt.Sprintf("the best is epoch %d with an AUC-PR of %.4f", best.Epoch, best.Metrics.AUCPR)
		return writeResult(file, wire.Result{Reason: "Succeeded", Epoch: out.Epoch, Message: message})
	}
	return leaveFailure(log, file, err, out.Epoch)
}

// leaveFailure leaves the result of a pod that failed with err, in the log and in the termination message, which it
// writes to file. epoch is the number of finished epochs. It returns err as an ending, joined with the error of
// writing.
func leaveFailure(log *slog.Logger, file string, err error, epoch int) error {
	e := *endingOf(err)
	e.logged = true
	log.Error("the pod ends without success", "reason", e.reason, "exitCode", e.code, "where", e.where, "error", err)
	result := wire.Result{Reason: e.reason, Message: err.Error(), Where: e.where, Epoch: epoch}
	return errors.Join(&e, writeResult(file, result))
}

// resultFile returns the file for the termination message that a document names. It works with a document that is
// otherwise invalid, and returns "" if the document names no file.
func resultFile(text string) string {
	var d struct {
		Result string `json:"result"`
	}
	_ = json.Unmarshal([]byte(text), &d) // after an error Result is empty
	return d.Result
}
