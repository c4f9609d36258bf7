package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"plumbline.dev/plumbline/trainer/outbox"
	"plumbline.dev/plumbline/wire"
)

// reportWithoutTraining does what the pods of scale do: it sends the reports of a trainer, an epoch every REPORT_EVERY,
// and trains nothing. Two of three epochs are no new best.
func reportWithoutTraining(ctx context.Context) error {
	t, err := wire.DecodeTrial([]byte(os.Getenv(wire.EnvTrial)))
	if err != nil {
		return err
	}
	period, err := time.ParseDuration(os.Getenv("REPORT_EVERY"))
	if err != nil {
		return err
	}
	spool, err := outbox.NewSpool(t.Scratch)
	if err != nil {
		return err
	}
	p := outbox.Start(outbox.Config{
		Reports: t.Reports,
		RunUID:  t.Run.UID,
		Log:     slog.Default(),
		Ack:     outbox.DefaultAck,
		Backoff: outbox.DefaultBackoff,
		Longest: outbox.DefaultLongest,
	}, spool)
	defer p.Close()
	sequence := int64(0)
	send := func(kind wire.ReportKind, epoch int, metrics *wire.Metrics) error {
		sequence++
		r := wire.Report{
			Version:    wire.Version,
			Kind:       kind,
			RunUID:     t.Run.UID,
			Trial:      t.Name,
			Depth:      t.Depth,
			Attempt:    t.Attempt,
			Writer:     t.Writer(os.Getenv(wire.EnvPodUID)),
			Sequence:   sequence,
			Time:       time.Now().UTC(),
			Epoch:      epoch,
			Epochs:     t.Hyperparameters.Epochs,
			Metrics:    metrics,
			Throughput: &wire.Throughput{ImagesPerSecond: 1, EpochSeconds: period.Seconds()},
		}
		if metrics != nil {
			r.Checkpoint = &wire.CheckpointRef{
				URI:    fmt.Sprintf("file:///none/%s/e%d", t.Name, epoch),
				Digest: "sha256:" + strings.Repeat("0", 64),
			}
		}
		return spool.Append(r)
	}
	if err := send(wire.ReportStarted, 0, nil); err != nil {
		return err
	}
	for e := 1; e <= t.Hyperparameters.Epochs; e++ {
		if !pause(ctx, period) {
			os.Exit(wire.ExitInterrupted)
		}
		v := 1 - 1/float64(e+1) // each a new best
		if e%3 != 1 {
			v /= 2
		}
		metrics := wire.Metrics{AUCPR: v, AUCPRLow: v, AUCPRHigh: v, Samples: 1}
		if err := send(wire.ReportEpoch, e, &metrics); err != nil {
			return err
		}
	}
	if err := send(wire.ReportFinished, t.Hyperparameters.Epochs, nil); err != nil {
		return err
	}
	b, err := json.Marshal(wire.Result{Reason: "Succeeded"})
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.Result, b, 0o644); err != nil {
		return err
	}
	return p.Drain(ctx)
}
