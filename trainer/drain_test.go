package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/outbox"
	"plumbline.dev/plumbline/wire"
)

// Only the next attempt can send the reports that this one did not deliver. Therefore an attempt that would be the
// trial's last ends as interrupted while NATS is away, so that there is a next one.
func TestNoTrialEndsForGoodWithUndeliveredReports(t *testing.T) {
	diverged := &loop.Diverged{Epoch: 3, Why: "NaN"}
	for name, test := range map[string]struct {
		trained     error // the error of training
		undelivered bool  // a report is not delivered
		code        int
		say         string // a part of the error; "" if it must wrap the error of training
	}{
		"done":                     {nil, true, wire.ExitInterrupted, "training is done"},
		"diverged":                 {diverged, true, wire.ExitInterrupted, "training diverged in epoch 3"},
		"a step that does not fit": {loop.ErrMemory, true, wire.ExitInterrupted, "out of memory"},
		"a store that failed":      {loop.ErrStore, true, wire.ExitStore, ""}, // is retried anyway
		"diverged, all delivered":  {diverged, false, wire.ExitDiverged, ""},
		"interrupted":              {loop.ErrInterrupted, true, wire.ExitInterrupted, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spool, err := outbox.NewSpool(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer spool.Close()
			if test.undelivered {
				if err := spool.Append(wire.Report{}); err != nil {
					t.Fatal(err)
				}
			}
			log := slog.New(slog.DiscardHandler)
			sender := outbox.Start(outbox.Config{
				Reports: wire.ReportSettings{URL: "nats://127.0.0.1:1"},
				Log:     log,
				Ack:     time.Second,
				Backoff: time.Second,
				Longest: time.Second,
			}, spool)
			defer sender.Close()
			wait := 10 * time.Millisecond
			limits := drainLimits{finished: wait, failed: wait, interrupted: wait}
			err = drain(context.Background(), sender, limits, log, test.trained)
			if e := endingOf(err); e.code != test.code || !strings.Contains(err.Error(), test.say) {
				t.Errorf("exit %d, %v, want exit %d, …%s…", e.code, err, test.code, test.say)
			}
			if test.say == "" && !errors.Is(err, test.trained) {
				t.Errorf("%v hides %v", err, test.trained)
			}
		})
	}
}
