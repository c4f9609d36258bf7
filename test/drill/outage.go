package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// outage measures whether training notices that NATS is away: one trial trains, NATS is killed, and comes back much later.
func outage(ctx context.Context, c config, args []string) error {
	f := flag.NewFlagSet("outage", flag.ExitOnError)
	away := f.Duration("away", 10*time.Minute, "how long NATS is away")
	beside := f.Duration("beside", 3*time.Minute, "how long the trial trains before it")
	epochs := f.Int("epochs", 200, "of the trial: so many that it still trains when NATS is back")
	samples := f.Int("samples", 480, "of the dataset, half of which are trained on")
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
	h, err := c.one(ctx, cl, "outage", func(d *drill) error {
		if !d.recorder.await(ctx, 2*time.Minute, func(s judge.Status) bool { return len(s.Trials) > 0 && s.Trials[0].Epoch > 0 }) {
			return fmt.Errorf("the trial has not ended an epoch: nothing has changed for 2 minutes")
		}
		pause(ctx, *beside)
		down = time.Now()
		fmt.Fprintf(c.say, "%s NATS is killed\n", clock(down))
		if err := cl.killComponent(ctx, "nats", *away); err != nil {
			return err
		}
		up = time.Now()
		fmt.Fprintf(c.say, "%s NATS is back\n", clock(up))
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if v := judge.Validate(h, judge.History{}); len(v) > 0 {
		return fmt.Errorf("the run is not in order: %v", v)
	}
	var with, without, wait []float64
	for i, r := range h.Reports {
		if r.Kind != "epoch" || i == 0 || r.Throughput == nil || r.Epoch == 1 { // the first epoch builds caches
			continue
		}
		began := r.Time.Add(-time.Duration(r.Throughput.EpochSeconds * float64(time.Second)))
		switch {
		case began.After(down) && r.Time.Before(up):
			without = append(without, 1/r.Throughput.ImagesPerSecond)
			wait = append(wait, up.Sub(r.Time).Seconds())
		case r.Time.Before(down) || began.After(up):
			with = append(with, 1/r.Throughput.ImagesPerSecond)
		}
	}
	if len(with) == 0 || len(without) == 0 {
		return fmt.Errorf("%d epochs with NATS and %d without: choose other --epochs", len(with), len(without))
	}
	say := func(name string, v []float64) {
		fmt.Fprintf(c.say, "  %-13s %4d epochs, a step of 8 samples takes %.1f ms (middle half %.1f to %.1f)\n", name, len(v), 8e3*quantile(v, 0.5), 8e3*quantile(v, 0.25), 8e3*quantile(v, 0.75))
	}
	fmt.Fprintf(c.say, "NATS away for %.0f s of a trial of %d epochs; %d reports in the stream, each counted once, none missing; the oldest waited %.0f s\n",
		up.Sub(down).Seconds(), *epochs, len(h.Reports), quantile(wait, 1))
	say("NATS there", with)
	say("NATS away", without)
	fmt.Fprintf(c.say, "  away to there: %.3f\n", quantile(without, 0.5)/quantile(with, 0.5))
	return nil
}
