package loop

import (
	"context"
	"errors"
	"fmt"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// conclude ends an epoch: it counts the epoch, saves checkpoints if the weights are the best so far or a resume
// checkpoint is due, and reports.
func (t *training) conclude(v result) error {
	t.epoch++
	trainLoss := t.unfinished.LossSum / float64(t.unfinished.Steps-t.unfinished.Skipped)
	t.unfinished = wire.Unfinished{}

	report := t.newReport(wire.ReportEpoch)
	report.TrainLoss, report.NotFinite = trainLoss, v.notFinite
	report.LearningRate = learningRate(t.Trial.Hyperparameters, t.stepsPerEpoch, t.epoch*t.stepsPerEpoch-1)
	report.Throughput = &wire.Throughput{
		ImagesPerSecond: perSecond(t.trainedImages, t.trainSeconds),
		EpochSeconds:    t.lastReport.Sub(t.began).Seconds(),
		InputWait:       t.inputWait.Seconds() / max(t.trainSeconds, 1e-9),
	}
	better := false
	if v.notFinite == "" {
		report.Weights, report.Metrics = t.weightsKind(), &v.metrics
		value := wire.EpochValue{Epoch: t.epoch, AUCPR: v.metrics.AUCPR}
		if better = t.best == nil || wire.BetterEpoch(value, *t.best); better {
			t.best, report.Scores = &value, t.sampleScores(v)
		}
	}
	e := entry{report: &report}
	if err := t.addCheckpoints(&e, v, better); err != nil {
		return err
	}
	t.journal.put(e)
	t.logEpoch(report, v, better)
	return nil
}

// addCheckpoints adds to an entry the checkpoints that are due. Both kinds share one snapshot. It blocks until the
// snapshot before is written, so that memory holds one copy of the weights and not a queue of copies.
func (t *training) addCheckpoints(e *entry, v result, better bool) error {
	resume := t.epoch%t.Trial.Checkpoint.EveryEpochs == 0 || t.over()
	if !better && !resume {
		return nil
	}
	kind := Inference
	if resume {
		kind = Resume
	}
	t.journal.reserveSnapshot()
	tensors, err := t.model.Snapshot(kind)
	if err != nil {
		return fmt.Errorf("save epoch %d: %w", t.epoch, err)
	}
	if better {
		m := t.manifest(wire.CheckpointBest)
		m.Calibration, m.Metrics = v.calibration, &v.metrics
		e.best = &checkpoint.Checkpoint{Tensors: tensors.Inference()}
		m.Golden, e.best.Golden = t.golden(v)
		e.best.Manifest = m
	}
	if resume {
		e.resume = &checkpoint.Checkpoint{Manifest: t.manifest(wire.CheckpointResume), Tensors: tensors}
		t.savedPosition = t.position()
	}
	return nil
}

// manifest returns the manifest of a checkpoint of this kind, for the present state of the trial.
func (t *training) manifest(kind string) wire.Manifest {
	m := t.Manifest
	m.Format, m.Version, m.Kind, m.Weights = wire.ManifestFormat, wire.Version, kind, t.weightsKind()
	m.Run, m.Trial, m.Writer, m.Attempt = t.Trial.Run, t.Trial.Name, t.Writer, t.Trial.Attempt
	m.Epoch, m.Step, m.PhaseStep, m.Skipped = t.epoch, t.step, t.phaseStep, t.skipped
	m.Seed = t.Trial.Hyperparameters.Seed
	m.Calibration = wire.Calibration{Shift: t.shift, Temperature: 1, Comparator: ">="}
	m.Digests, m.Settings = t.data.Digests, t.Trial
	if kind == wire.CheckpointResume && t.Trial.Hyperparameters.Precision == wire.Float16 {
		scale := t.lossScale
		m.LossScale = &scale
	}
	if kind == wire.CheckpointResume && t.unfinished != (wire.Unfinished{}) {
		unfinished := t.unfinished
		m.Unfinished = &unfinished
	}
	return m
}

// weightsKind returns which weights are evaluated and saved: "ema" for averages, else "raw".
func (t *training) weightsKind() string {
	if t.Trial.Hyperparameters.EMA > 0 {
		return "ema"
	}
	return "raw"
}

// logEpoch logs one line about an epoch, for a person who reads the pod's log.
func (t *training) logEpoch(report wire.Report, v result, better bool) {
	args := []any{"epoch", fmt.Sprintf("%d/%d", t.epoch, t.epochs), "trainLoss", round(report.TrainLoss)}
	if m := report.Metrics; m != nil {
		interval := fmt.Sprintf("%.3f..%.3f", m.AUCPRLow, m.AUCPRHigh)
		args = append(args, "aucPR", round(m.AUCPR), "interval", interval)
		args = append(args, "f1", round(m.F1), "loss", round(m.Loss), "best", better)
	} else {
		args = append(args, "notFinite", v.notFinite)
	}
	speed := report.Throughput
	args = append(args, "imagesPerSecond", round(speed.ImagesPerSecond), "seconds", round(speed.EpochSeconds))
	if t.skipped > 0 {
		args = append(args, "skippedSteps", t.skipped)
	}
	t.Log.Info("epoch done", args...)
}

// round formats a number with four digits, enough for a log line.
func round(x float64) string { return fmt.Sprintf("%.4g", x) }

// stop ends a trial early, because of the error why. It saves an interrupted trial, unless the last resume checkpoint
// already holds its position.
func (t *training) stop(why error) (Outcome, error) {
	if errors.Is(why, ErrInterrupted) && t.position() != t.savedPosition {
		t.journal.reserveSnapshot()
		tensors, err := t.model.Snapshot(Resume)
		if err != nil {
			return t.outcome(nil), fmt.Errorf("save a checkpoint when training was %w: %w", why, err)
		}
		saved := checkpoint.Checkpoint{Manifest: t.manifest(wire.CheckpointResume), Tensors: tensors}
		t.journal.put(entry{resume: &saved})
	}
	if err := t.journal.flush(); err != nil && !errors.Is(why, err) {
		// why is not wrapped: the failed write decides how the attempt ends.
		return t.outcome(nil), fmt.Errorf("%w; training had already stopped: %s", err, why.Error())
	}
	return t.outcome(nil), why
}

// finish ends a trial that has trained to its end. It scores the best, and nothing else, once on the test split, and
// reports the result.
func (t *training) finish(ctx context.Context) (Outcome, error) {
	if err := t.journal.flush(); err != nil {
		return t.outcome(nil), err
	}
	best := t.journal.best
	if best == nil {
		const why = "no epoch had finite validation scores, so there is no best"
		return t.stop(&Diverged{Epoch: t.epoch, Step: t.step, Why: why})
	}
	report := t.newReport(wire.ReportFinished)
	report.Message = fmt.Sprintf("the best is epoch %d", best.Epoch)
	if t.epoch < t.epochs {
		report.Message += fmt.Sprintf("; training ended after %d of %d epochs, because the last %d were not better",
			t.epoch, t.epochs, t.Trial.Hyperparameters.Patience)
	}
	if len(t.data.Test) == 0 {
		report.Message += "; there is no test split to score it on"
	} else if err := t.scoreTestSplit(ctx, *best, &report); err != nil {
		return t.stop(err)
	}
	t.journal.put(entry{report: &report})
	return t.outcome(report.Test), t.journal.flush()
}

// scoreTestSplit restores the best and scores it on the test split. It adds the metrics to the report, or the reason
// why there are none.
func (t *training) scoreTestSplit(ctx context.Context, best wire.BestSoFar, report *wire.Report) error {
	loaded, err := checkpoint.Load(best.Checkpoint)
	if err != nil {
		// The store lost or damaged the best. The next attempt resumes from before this best and finds it again, or
		// uses it if it can be read by then.
		return fmt.Errorf("%w: score the best on the test split: %w", ErrStore, err)
	}
	if err := t.model.Restore(Inference, loaded.Tensors); err != nil {
		return fmt.Errorf("score the best on the test split: %w", err)
	}
	samples, bad, err := t.evaluate(ctx, t.data.Test, best.Calibration)
	if err != nil {
		return err
	}
	if bad > 0 {
		report.NotFinite = fmt.Sprintf("%d of %d test scores are NaN or Inf", bad, len(samples))
		return nil
	}
	metrics, err := score.Measure(samples, best.Calibration.Threshold, t.Trial.Hyperparameters.Seed)
	if err != nil {
		return fmt.Errorf("measure the test split: %w", err)
	}
	report.Test, report.Weights = &metrics, t.weightsKind()
	return nil
}

// outcome returns the outcome of the trial so far. test may be nil.
func (t *training) outcome(test *wire.Metrics) Outcome {
	return Outcome{Epoch: t.epoch, Step: t.step, Best: t.journal.best, Test: test}
}
