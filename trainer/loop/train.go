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
	batches := r.prefetch(r.unfinished.Steps)
	defer batches.stop()
	for r.unfinished.Steps < r.steps {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := r.journal.err(); err != nil {
			return err
		}
		asked := r.Now()
		batch := batches.next()
		r.waited += r.Now().Sub(asked)
		result, err := r.model.Step(batch, r.params())
		batches.reuse(batch)
		if err != nil {
			return fmt.Errorf("train epoch %d: %w", r.epoch+1, err)
		}
		if err := r.count(result); err != nil {
			return err
		}
		r.Worked(r.epoch, fmt.Sprintf("step %d of epoch %d", r.unfinished.Steps, r.epoch+1))
		r.trained += size
		r.showProgress(result)
	}
	r.seconds = r.Now().Sub(r.began).Seconds()
	if r.unfinished.Skipped == r.unfinished.Steps {
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
func (r *run) position() int { return r.epoch*r.steps + r.unfinished.Steps }

func (r *run) learningRate() float64 {
	return learningRate(r.Trial.Hyperparameters, r.steps, r.position())
}

func (r *run) count(result StepResult) error {
	r.unfinished.Steps++
	r.scale = nextScale(r.scale, result.Finite)
	if result.Finite {
		r.step++
		r.phaseStep++
		r.unfinished.SkippedInARow = 0
		r.unfinished.LossSum += float64(result.Loss)
		return nil
	}
	r.skipped++
	r.unfinished.Skipped++
	r.unfinished.SkippedInARow++
	r.Log.Warn("step skipped: its gradients are not finite", "epoch", r.epoch+1, "step", r.unfinished.Steps, "loss", result.Loss)
	if r.unfinished.SkippedInARow >= maxSkipped {
		return r.diverged(fmt.Sprintf("the gradients of %d steps in a row were NaN or Inf", maxSkipped))
	}
	return nil
}

func (r *run) diverged(why string) error {
	r.unfinished.Steps-- // the learning rate of the step that was just taken
	defer func() { r.unfinished.Steps++ }()
	return &Diverged{Epoch: r.epoch + 1, Step: r.step, LearningRate: r.learningRate(), Why: why}
}

// showProgress shows the step and, now and then, reports that the trial is alive.
func (r *run) showProgress(result StepResult) {
	now := r.Now()
	speed := perSecond(r.trained, now.Sub(r.began).Seconds())
	if r.Progress != nil {
		r.Progress(Progress{Epoch: r.epoch + 1, Epochs: r.epochs, Step: r.unfinished.Steps, Steps: r.steps, Loss: result.Loss, ImagesPerSecond: speed})
	}
	if now.Sub(r.lastReport) >= heartbeat {
		report := r.newReport(wire.Heartbeat)
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

// newReport returns a report of the trial as it stands.
func (r *run) newReport(kind wire.ReportKind) wire.Report {
	r.lastReport = r.Now()
	return wire.Report{
		Kind: kind, Depth: r.Trial.Depth, Time: r.lastReport.UTC(),
		Epoch: r.epoch, Epochs: r.epochs, Step: r.step, Digests: r.data.Digests,
	}
}
