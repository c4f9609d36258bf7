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
func (t *training) train(ctx context.Context) error {
	t.began, t.trainedImages, t.inputWait = t.Now(), 0, 0
	size := t.Trial.Hyperparameters.BatchSize
	batches := t.prefetch(t.unfinished.Steps)
	defer batches.stop()
	for t.unfinished.Steps < t.stepsPerEpoch {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := t.journal.err(); err != nil {
			return err
		}
		waitedFrom := t.Now()
		batch := batches.next()
		t.inputWait += t.Now().Sub(waitedFrom)
		result, err := t.model.Step(batch, t.params())
		batches.reuse(batch)
		if err != nil {
			return fmt.Errorf("train epoch %d: %w", t.epoch+1, err)
		}
		if err := t.count(result); err != nil {
			return err
		}
		t.Worked(t.epoch, fmt.Sprintf("step %d of epoch %d", t.unfinished.Steps, t.epoch+1))
		t.trainedImages += size
		t.showProgress(result)
	}
	t.trainSeconds = t.Now().Sub(t.began).Seconds()
	if t.unfinished.Skipped == t.unfinished.Steps {
		return t.diverged("no step of the epoch had finite gradients")
	}
	return nil
}

// params returns the parameters of the next step.
func (t *training) params() StepParams {
	return StepParams{
		Phase:        t.phase(),
		PhaseStep:    t.phaseStep + 1,
		LearningRate: float32(t.learningRate()),
		Average:      float32(averageShare(t.Trial.Hyperparameters.EMA, t.phaseStep+1)),
		LossScale:    float32(t.lossScale.Value),
	}
}

// position returns the number of steps since the trial began, skipped ones included. The schedule follows it.
func (t *training) position() int { return t.epoch*t.stepsPerEpoch + t.unfinished.Steps }

// learningRate returns the learning rate of the next step.
func (t *training) learningRate() float64 {
	return learningRate(t.Trial.Hyperparameters, t.stepsPerEpoch, t.position())
}

// count updates the counters after a step. It returns *Diverged if too many steps in a row were skipped.
func (t *training) count(result StepResult) error {
	t.unfinished.Steps++
	t.lossScale = nextScale(t.lossScale, result.Finite)
	if result.Finite {
		t.step++
		t.phaseStep++
		t.unfinished.SkippedInARow = 0
		t.unfinished.LossSum += float64(result.Loss)
		return nil
	}
	t.skipped++
	t.unfinished.Skipped++
	t.unfinished.SkippedInARow++
	t.Log.Warn("step skipped: its loss or gradients are not finite",
		"epoch", t.epoch+1, "step", t.unfinished.Steps, "loss", result.Loss)
	if t.unfinished.SkippedInARow >= maxSkipped {
		return t.diverged(fmt.Sprintf("the gradients of %d steps in a row were NaN or Inf", maxSkipped))
	}
	return nil
}

// diverged returns a *Diverged that describes the step that was just taken.
func (t *training) diverged(why string) error {
	t.unfinished.Steps-- // so that learningRate returns the rate of that step
	defer func() { t.unfinished.Steps++ }()
	return &Diverged{Epoch: t.epoch + 1, Step: t.step, LearningRate: t.learningRate(), Why: why}
}

// showProgress shows the step, and sends a heartbeat if there was no report for a while.
func (t *training) showProgress(result StepResult) {
	now := t.Now()
	speed := perSecond(t.trainedImages, now.Sub(t.began).Seconds())
	if t.Progress != nil {
		t.Progress(Progress{
			Epoch:           t.epoch + 1,
			Epochs:          t.epochs,
			Step:            t.unfinished.Steps,
			Steps:           t.stepsPerEpoch,
			Loss:            result.Loss,
			ImagesPerSecond: speed,
		})
	}
	if now.Sub(t.lastReport) >= heartbeat {
		report := t.newReport(wire.ReportHeartbeat)
		report.Throughput = &wire.Throughput{ImagesPerSecond: speed, EpochSeconds: now.Sub(t.began).Seconds()}
		t.journal.put(entry{report: &report})
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
func (t *training) newReport(kind wire.ReportKind) wire.Report {
	t.lastReport = t.Now()
	return wire.Report{
		Kind: kind, Depth: t.Trial.Depth, Time: t.lastReport.UTC(),
		Epoch: t.epoch, Epochs: t.epochs, Step: t.step, Digests: t.data.Digests,
	}
}
