package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// outage measures whether training gets slower while NATS is away: one trial trains, NATS is killed, and is started
// again much later.
func outage(ctx context.Context, c config, args []string) error {
	f := flag.NewFlagSet("outage", flag.ExitOnError)
	away := f.Duration("away", 10*time.Minute, "how long NATS is away")
	before := f.Duration("beside", 3*time.Minute, "how long the trial trains before NATS is killed")
	epochs := f.Int("epochs", 200, "number of epochs of the trial: so many that it still trains when NATS is back")
	samples := f.Int("samples", 480, "number of samples of the dataset; the trial trains on half of them")
	_ = f.Parse(args)
	cl, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer cl.stop()
	if err := cl.synth(ctx, *samples); err != nil {
		return err
	}
	c.depths, c.epochs = []any{18}, *epochs
	var down, up time.Time
	h, err := c.trainRun(ctx, cl, "outage", func(t *target) error {
		hasEpoch := func(s judge.Status) bool { return len(s.Trials) > 0 && s.Trials[0].Epoch > 0 }
		if !t.recorder.await(ctx, 2*time.Minute, hasEpoch) {
			return fmt.Errorf("the trial has not ended an epoch: nothing has changed for 2 minutes")
		}
		pause(ctx, *before)
		down = time.Now()
		fmt.Fprintf(c.out, "%s NATS is killed\n", clock(down))
		if err := cl.killComponent(ctx, "nats", *away); err != nil {
			return err
		}
		up = time.Now()
		fmt.Fprintf(c.out, "%s NATS is back\n", clock(up))
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if v := judge.Validate(h, judge.History{}); len(v) > 0 {
		return fmt.Errorf("the run broke a rule: %v", v)
	}
	with, without, waits := splitEpochs(h, down, up)
	if len(with) == 0 || len(without) == 0 {
		return fmt.Errorf("%d epochs with NATS and %d without: choose other --epochs", len(with), len(without))
	}
	fmt.Fprintf(c.out, "NATS away for %.0f s of a trial of %d epochs; "+
		"%d reports in the stream, each counted once, none missing; the oldest waited %.0f s\n",
		up.Sub(down).Seconds(), *epochs, len(h.Reports), quantile(waits, 1))
	printSteps := func(name string, v []float64) {
		fmt.Fprintf(c.out, "  %-13s %4d epochs, a step of 8 samples takes %.1f ms (middle half %.1f to %.1f)\n",
			name, len(v), 8e3*quantile(v, 0.5), 8e3*quantile(v, 0.25), 8e3*quantile(v, 0.75))
	}
	printSteps("NATS up", with)
	printSteps("NATS down", without)
	fmt.Fprintf(c.out, "  ratio, down to up: %.3f\n", quantile(without, 0.5)/quantile(with, 0.5))
	return nil
}

// splitEpochs returns the seconds per image of each epoch that ran while NATS was up (with) and of each that ran while
// NATS was down (without), that is from down to up. For the epochs without NATS it also returns how many seconds their
// reports waited. It leaves out epochs that ran during a change, and the first epoch, which fills caches.
func splitEpochs(h judge.History, down, up time.Time) (with, without, waits []float64) {
	for i, r := range h.Reports {
		if r.Kind != "epoch" || i == 0 || r.Throughput == nil || r.Epoch == 1 {
			continue
		}
		began := r.Time.Add(-time.Duration(r.Throughput.EpochSeconds * float64(time.Second)))
		switch {
		case began.After(down) && r.Time.Before(up):
			without = append(without, 1/r.Throughput.ImagesPerSecond)
			waits = append(waits, up.Sub(r.Time).Seconds())
		case r.Time.Before(down) || began.After(up):
			with = append(with, 1/r.Throughput.ImagesPerSecond)
		}
	}
	return with, without, waits
}
