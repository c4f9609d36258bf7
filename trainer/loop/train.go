package loop

import (
	"context"
	"fmt"
	"time"

	"plumbline.dev/plumbline/wire"
)

const (
	// maxSkipped is how many skipped steps in a row end a trial. A skipped step does not change the weights, so only
	// another batch could help.
	maxSkipped = 20
	// heartbeat is the longest time without a report while a trial trains.
	heartbeat = 10 * time.Second
)

// train takes the steps of the next epoch, or the remaining steps of an unfinished one. It returns ErrInterrupted if
// ctx has ended before a step, and *Diverged if gradients stay NaN or Inf.
func (r *run) train(ctx context.Context) error {
	r.began, r.trainedImages, r.inputWait = r.Now(), 0, 0
	size := r.Trial.Hyperparameters.BatchSize
	batches := r.prefetch(r.unfinished.Steps)
	defer batches.stop()
	for r.unfinished.Steps < r.stepsPerEpoch {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := r.journal.err(); err != nil {
			return err
		}
		waitedFrom := r.Now()
		batch := batches.next()
		r.inputWait += r.Now().Sub(waitedFrom)
		result, err := r.model.Step(batch, r.params())
		batches.reuse(batch)
		if err != nil {
			return fmt.Errorf("train epoch %d: %w", r.epoch+1, err)
		}
		if err := r.count(result); err != nil {
			return err
		}
		r.Worked(r.epoch, fmt.Sprintf("step %d of epoch %d", r.unfinished.Steps, r.epoch+1))
		r.trainedImages += size
		r.showProgress(result)
	}
	r.trainSeconds = r.Now().Sub(r.began).Seconds()
	if r.unfinished.Skipped == r.unfinished.Steps {
		return r.diverged("no step of the epoch had finite gradients")
	}
	return nil
}

// params returns the parameters of the next step.
func (r *run) params() StepParams {
	return StepParams{
		Phase:        r.phase(),
		PhaseStep:    r.phaseStep + 1,
		LearningRate: float32(r.learningRate()),
		Average:      float32(averageShare(r.Trial.Hyperparameters.EMA, r.phaseStep+1)),
		LossScale:    float32(r.lossScale.Value),
	}
}

// position returns the number of steps since the trial began, skipped ones included. The schedule follows it.
func (r *run) position() int { return r.epoch*r.stepsPerEpoch + r.unfinished.Steps }

// learningRate returns the learning rate of the next step.
func (r *run) learningRate() float64 {
	return learningRate(r.Trial.Hyperparameters, r.stepsPerEpoch, r.position())
}

// count updates the counters after a step. It returns *Diverged if too many steps in a row were skipped.
func (r *run) count(result StepResult) error {
	r.unfinished.Steps++
	r.lossScale = nextScale(r.lossScale, result.Finite)
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
	r.Log.Warn("step skipped: its loss or gradients are not finite",
		"epoch", r.epoch+1, "step", r.unfinished.Steps, "loss", result.Loss)
	if r.unfinished.SkippedInARow >= maxSkipped {
		return r.diverged(fmt.Sprintf("the gradients of %d steps in a row were NaN or Inf", maxSkipped))
	}
	return nil
}

// diverged returns a *Diverged that describes the step that was just taken.
func (r *run) diverged(why string) error {
	r.unfinished.Steps-- // so that learningRate returns the rate of that step
	defer func() { r.unfinished.Steps++ }()
	return &Diverged{Epoch: r.epoch + 1, Step: r.step, LearningRate: r.learningRate(), Why: why}
}

// showProgress shows the step, and sends a heartbeat if there was no report for a while.
func (r *run) showProgress(result StepResult) {
	now := r.Now()
	speed := perSecond(r.trainedImages, now.Sub(r.began).Seconds())
	if r.Progress != nil {
		r.Progress(Progress{
			Epoch:           r.epoch + 1,
			Epochs:          r.epochs,
			Step:            r.unfinished.Steps,
			Steps:           r.stepsPerEpoch,
			Loss:            result.Loss,
			ImagesPerSecond: speed,
		})
	}
	if now.Sub(r.lastReport) >= heartbeat {
		report := r.newReport(wire.ReportHeartbeat)
		report.Throughput = &wire.Throughput{ImagesPerSecond: speed, EpochSeconds: now.Sub(r.began).Seconds()}
		r.journal.put(entry{report: &report})
	}
}

// perSecond returns n / seconds, and 0 if no time has passed.
func perSecond(n int, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// newReport returns a report about the present state of the trial. The journal adds the writer's identity.
func (r *run) newReport(kind wire.ReportKind) wire.Report {
	r.lastReport = r.Now()
	return wire.Report{
		Kind: kind, Depth: r.Trial.Depth, Time: r.lastReport.UTC(),
		Epoch: r.epoch, Epochs: r.epochs, Step: r.step, Digests: r.data.Digests,
	}
}
