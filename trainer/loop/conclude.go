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
func (r *run) conclude(v result) error {
	r.epoch++
	trainLoss := r.unfinished.LossSum / float64(r.unfinished.Steps-r.unfinished.Skipped)
	r.unfinished = wire.Unfinished{}

	report := r.newReport(wire.ReportEpoch)
	report.TrainLoss, report.NotFinite = trainLoss, v.notFinite
	report.LearningRate = learningRate(r.Trial.Hyperparameters, r.stepsPerEpoch, r.epoch*r.stepsPerEpoch-1)
	report.Throughput = &wire.Throughput{
		ImagesPerSecond: perSecond(r.trainedImages, r.trainSeconds),
		EpochSeconds:    r.lastReport.Sub(r.began).Seconds(),
		InputWait:       r.inputWait.Seconds() / max(r.trainSeconds, 1e-9),
	}
	better := false
	if v.notFinite == "" {
		report.Weights, report.Metrics = r.weightsKind(), &v.metrics
		value := wire.EpochValue{Epoch: r.epoch, AUCPR: v.metrics.AUCPR}
		if better = r.best == nil || wire.BetterEpoch(value, *r.best); better {
			r.best, report.Scores = &value, r.sampleScores(v)
		}
	}
	e := entry{report: &report}
	if err := r.addCheckpoints(&e, v, better); err != nil {
		return err
	}
	r.journal.put(e)
	r.logEpoch(report, v, better)
	return nil
}

// addCheckpoints adds to an entry the checkpoints that are due. Both kinds share one snapshot. It blocks until the
// snapshot before is written, so that memory holds one copy of the weights and not a queue of copies.
func (r *run) addCheckpoints(e *entry, v result, better bool) error {
	resume := r.epoch%r.Trial.Checkpoint.EveryEpochs == 0 || r.over()
	if !better && !resume {
		return nil
	}
	kind := Inference
	if resume {
		kind = Resume
	}
	r.journal.reserveSnapshot()
	tensors, err := r.model.Snapshot(kind)
	if err != nil {
		return fmt.Errorf("save epoch %d: %w", r.epoch, err)
	}
	if better {
		m := r.manifest(wire.CheckpointBest)
		m.Calibration, m.Metrics = v.calibration, &v.metrics
		e.best = &checkpoint.Checkpoint{Tensors: tensors.Inference()}
		m.Golden, e.best.Golden = r.golden(v)
		e.best.Manifest = m
	}
	if resume {
		e.resume = &checkpoint.Checkpoint{Manifest: r.manifest(wire.CheckpointResume), Tensors: tensors}
		r.savedPosition = r.position()
	}
	return nil
}

// manifest returns the manifest of a checkpoint of this kind, for the present state of the trial.
func (r *run) manifest(kind string) wire.Manifest {
	m := r.Manifest
	m.Format, m.Version, m.Kind, m.Weights = wire.ManifestFormat, wire.Version, kind, r.weightsKind()
	m.Run, m.Trial, m.Writer, m.Attempt = r.Trial.Run, r.Trial.Name, r.Writer, r.Trial.Attempt
	m.Epoch, m.Step, m.PhaseStep, m.Skipped = r.epoch, r.step, r.phaseStep, r.skipped
	m.Seed = r.Trial.Hyperparameters.Seed
	m.Calibration = wire.Calibration{Shift: r.shift, Temperature: 1, Comparator: ">="}
	m.Digests, m.Settings = r.data.Digests, r.Trial
	if kind == wire.CheckpointResume && r.Trial.Hyperparameters.Precision == wire.Float16 {
		scale := r.lossScale
		m.LossScale = &scale
	}
	if kind == wire.CheckpointResume && r.unfinished != (wire.Unfinished{}) {
		unfinished := r.unfinished
		m.Unfinished = &unfinished
	}
	return m
}

// weightsKind returns which weights are evaluated and saved: "ema" for averages, else "raw".
func (r *run) weightsKind() string {
	if r.Trial.Hyperparameters.EMA > 0 {
		return "ema"
	}
	return "raw"
}

// logEpoch logs one line about an epoch, for a person who reads the pod's log.
func (r *run) logEpoch(report wire.Report, v result, better bool) {
	args := []any{"epoch", fmt.Sprintf("%d/%d", r.epoch, r.epochs), "trainLoss", round(report.TrainLoss)}
	if m := report.Metrics; m != nil {
		interval := fmt.Sprintf("%.3f..%.3f", m.AUCPRLow, m.AUCPRHigh)
		args = append(args, "aucPR", round(m.AUCPR), "interval", interval)
		args = append(args, "f1", round(m.F1), "loss", round(m.Loss), "best", better)
	} else {
		args = append(args, "notFinite", v.notFinite)
	}
	speed := report.Throughput
	args = append(args, "imagesPerSecond", round(speed.ImagesPerSecond), "seconds", round(speed.EpochSeconds))
	if r.skipped > 0 {
		args = append(args, "skippedSteps", r.skipped)
	}
	r.Log.Info("epoch done", args...)
}

// round formats a number with four digits, enough for a log line.
func round(x float64) string { return fmt.Sprintf("%.4g", x) }

// stop ends a run early, because of the error why. It saves an interrupted run, unless the last resume checkpoint
// already holds its position.
func (r *run) stop(why error) (Outcome, error) {
	if errors.Is(why, ErrInterrupted) && r.position() != r.savedPosition {
		r.journal.reserveSnapshot()
		tensors, err := r.model.Snapshot(Resume)
		if err != nil {
			return r.outcome(nil), fmt.Errorf("save a checkpoint when training was %w: %w", why, err)
		}
		saved := checkpoint.Checkpoint{Manifest: r.manifest(wire.CheckpointResume), Tensors: tensors}
		r.journal.put(entry{resume: &saved})
	}
	if err := r.journal.flush(); err != nil && !errors.Is(why, err) {
		// why is not wrapped: the failed write decides how the attempt ends.
		return r.outcome(nil), fmt.Errorf("%w; training had already stopped: %s", err, why.Error())
	}
	return r.outcome(nil), why
}

// finish ends a run that has trained to its end. It scores the best, and nothing else, once on the test split, and
// reports the result.
func (r *run) finish(ctx context.Context) (Outcome, error) {
	if err := r.journal.flush(); err != nil {
		return r.outcome(nil), err
	}
	best := r.journal.best
	if best == nil {
		const why = "no epoch had finite validation scores, so there is no best"
		return r.stop(&Diverged{Epoch: r.epoch, Step: r.step, Why: why})
	}
	report := r.newReport(wire.ReportFinished)
	report.Message = fmt.Sprintf("the best is epoch %d", best.Epoch)
	if r.epoch < r.epochs {
		report.Message += fmt.Sprintf("; training ended after %d of %d epochs, because the last %d were not better",
			r.epoch, r.epochs, r.Trial.Hyperparameters.Patience)
	}
	if len(r.data.Test) == 0 {
		report.Message += "; there is no test split to score it on"
	} else if err := r.scoreTestSplit(ctx, *best, &report); err != nil {
		return r.stop(err)
	}
	r.journal.put(entry{report: &report})
	return r.outcome(report.Test), r.journal.flush()
}

// scoreTestSplit restores the best and scores it on the test split. It adds the metrics to the report, or the reason
// why there are none.
func (r *run) scoreTestSplit(ctx context.Context, best wire.BestSoFar, report *wire.Report) error {
	loaded, err := checkpoint.Load(best.Checkpoint)
	if err != nil {
		// The store lost or damaged the best. The next attempt resumes from before this best and finds it again, or
		// uses it if it can be read by then.
		return fmt.Errorf("%w: score the best on the test split: %w", ErrStore, err)
	}
	if err := r.model.Restore(Inference, loaded.Tensors); err != nil {
		return fmt.Errorf("score the best on the test split: %w", err)
	}
	samples, bad, err := r.evaluate(ctx, r.data.Test, best.Calibration)
	if err != nil {
		return err
	}
	if bad > 0 {
		report.NotFinite = fmt.Sprintf("%d of %d test scores are NaN or Inf", bad, len(samples))
		return nil
	}
	metrics, err := score.Measure(samples, best.Calibration.Threshold, r.Trial.Hyperparameters.Seed)
	if err != nil {
		return fmt.Errorf("measure the test split: %w", err)
	}
	report.Test, report.Weights = &metrics, r.weightsKind()
	return nil
}

// outcome returns the outcome of the run so far. test may be nil.
func (r *run) outcome(test *wire.Metrics) Outcome {
	return Outcome{Epoch: r.epoch, Step: r.step, Best: r.journal.best, Test: test}
}
