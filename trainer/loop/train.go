package loop

import (
	"context"
	"fmt"
	"time"

	"plumbline.dev/plumbline/wire"
)

const (
	// maxSkipped steps in a row end a trial: weights do not change in such a step, so only luck with the next batch could help.
	maxSkipped = 20
	// heartbeat is how long a trial is silent at most while it trains.
	heartbeat = 10 * time.Second
)

// train takes the steps of the next epoch, or those that are left of it. It returns ErrInterrupted between two steps, and
// *Diverged when gradients stay NaN or Inf.
func (r *run) train(ctx context.Context) error {
	r.began, r.trained, r.waited = r.Now(), 0, 0
	size := r.Trial.Hyperparameters.BatchSize
	feed := r.feed(r.now.Steps)
	defer feed.stop()
	for r.now.Steps < r.steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := r.journal.err(); err != nil {
			return err
		}
		asked := r.Now()
		batch := feed.next()
		r.waited += r.Now().Sub(asked)
		result, err := r.model.Step(batch, r.params())
		feed.done(batch)
		if err != nil {
			return fmt.Errorf("train epoch %d: %w", r.epoch+1, err)
		}
		if err := r.count(result); err != nil {
			return err
		}
		r.Worked(r.epoch, fmt.Sprintf("step %d of epoch %d", r.now.Steps, r.epoch+1))
		r.trained += size
		r.tellProgress(result)
	}
	r.seconds = r.Now().Sub(r.began).Seconds()
	if r.now.Skipped == r.now.Steps {
		return r.diverged("no step of the whole epoch had finite gradients")
	}
	return nil
}

func (r *run) params() StepParams {
	return StepParams{
		Phase: r.phase(), PhaseStep: r.phaseStep + 1, LearningRate: float32(r.learningRate()),
		Average:   float32(averageShare(r.Trial.Hyperparameters.EMA, r.phaseStep+1)),
		LossScale: float32(r.scale.Value),
	}
}

// position counts all steps taken since the trial began, skipped ones included: the schedule follows it.
func (r *run) position() int { return r.epoch*r.steps + r.now.Steps }

func (r *run) learningRate() float64 {
	return learningRate(r.Trial.Hyperparameters, r.steps, r.position())
}

func (r *run) count(result StepResult) error {
	r.now.Steps++
	r.scale = nextScale(r.scale, result.Finite)
	if result.Finite {
		r.step++
		r.phaseStep++
		r.now.SkippedInARow = 0
		r.now.LossSum += float64(result.Loss)
		return nil
	}
	r.skipped++
	r.now.Skipped++
	r.now.SkippedInARow++
	r.Log.Warn("step skipped: its gradients are not finite", "epoch", r.epoch+1, "step", r.now.Steps, "loss", result.Loss)
	if r.now.SkippedInARow >= maxSkipped {
		return r.diverged(fmt.Sprintf("the gradients of %d steps in a row were NaN or Inf", maxSkipped))
	}
	return nil
}

func (r *run) diverged(why string) error {
	r.now.Steps-- // the learning rate of the step that was just taken
	defer func() { r.now.Steps++ }()
	return &Diverged{Epoch: r.epoch + 1, Step: r.step, LearningRate: r.learningRate(), Why: why}
}

// tellProgress shows the step and, now and then, reports that the trial is alive.
func (r *run) tellProgress(result StepResult) {
	now := r.Now()
	speed := perSecond(r.trained, now.Sub(r.began).Seconds())
	if r.Progress != nil {
		r.Progress(Progress{Epoch: r.epoch + 1, Epochs: r.epochs, Step: r.now.Steps, Steps: r.steps, Loss: result.Loss, ImagesPerSecond: speed})
	}
	if now.Sub(r.lastTold) >= heartbeat {
		report := r.report(wire.Heartbeat)
		report.Throughput = &wire.Throughput{ImagesPerSecond: speed, EpochSeconds: now.Sub(r.began).Seconds()}
		r.journal.put(entry{report: &report})
	}
}

func perSecond(n int, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// report begins a report of the trial as it stands.
func (r *run) report(kind wire.ReportKind) wire.Report {
	r.lastTold = r.Now()
	return wire.Report{
		Kind: kind, Depth: r.Trial.Depth, Time: r.lastTold.UTC(),
		Epoch: r.epoch, Epochs: r.epochs, Step: r.step, Digests: r.data.Digests,
	}
}
