package loop

import (
	"context"
	"errors"
	"fmt"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// conclude ends an epoch: it is counted, its weights are kept where they are the best so far or it is time to, and it is reported.
func (r *run) conclude(v result) error {
	r.epoch++
	trainLoss := r.unfinished.LossSum / float64(r.unfinished.Steps-r.unfinished.Skipped)
	r.unfinished = wire.Unfinished{}

	report := r.newReport(wire.Epoch)
	report.TrainLoss, report.NotFinite = trainLoss, v.notFinite
	report.LearningRate = learningRate(r.Trial.Hyperparameters, r.steps, r.epoch*r.steps-1)
	report.Throughput = &wire.Throughput{
		ImagesPerSecond: perSecond(r.trained, r.seconds), EpochSeconds: r.lastReport.Sub(r.began).Seconds(),
		InputWait: r.waited.Seconds() / max(r.seconds, 1e-9),
	}
	better := false
	if v.notFinite == "" {
		report.Weights, report.Metrics = r.weightsKind(), &v.metrics
		value := wire.EpochValue{Epoch: r.epoch, Value: v.metrics.AUCPR}
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

// addCheckpoints takes one snapshot for both kinds of checkpoint. It waits until the one before is written, so that memory
// holds one copy of the weights and not a queue of them.
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
		r.saved = r.position()
	}
	return nil
}

// manifest describes the trial as it stands.
func (r *run) manifest(kind string) wire.Manifest {
	m := r.Manifest
	m.Format, m.Version, m.Kind, m.Weights = wire.ManifestFormat, wire.Version, kind, r.weightsKind()
	m.Run, m.Trial, m.Writer, m.Attempt = r.Trial.Run, r.Trial.Name, r.Writer, r.Trial.Attempt
	m.Epoch, m.Step, m.PhaseStep, m.Skipped, m.Seed = r.epoch, r.step, r.phaseStep, r.skipped, r.Trial.Hyperparameters.Seed
	m.Calibration = wire.Calibration{Shift: r.shift, Temperature: 1, Comparator: ">="}
	m.Digests, m.Settings = r.data.Digests, r.Trial
	if kind == wire.CheckpointResume && r.Trial.Hyperparameters.Precision == wire.Float16 {
		scale := r.scale
		m.LossScale = &scale
	}
	if kind == wire.CheckpointResume && r.unfinished != (wire.Unfinished{}) {
		unfinished := r.unfinished
		m.Unfinished = &unfinished
	}
	return m
}

// weightsKind says which weights are evaluated and kept.
func (r *run) weightsKind() string {
	if r.Trial.Hyperparameters.EMA > 0 {
		return "ema"
	}
	return "raw"
}

// logEpoch is the line that a person reads in the pod's log.
func (r *run) logEpoch(report wire.Report, v result, better bool) {
	args := []any{"epoch", fmt.Sprintf("%d/%d", r.epoch, r.epochs), "trainLoss", round(report.TrainLoss)}
	if m := report.Metrics; m != nil {
		args = append(args, "aucPR", round(m.AUCPR), "interval", fmt.Sprintf("%.3f..%.3f", m.AUCPRLow, m.AUCPRHigh), "f1", round(m.F1), "loss", round(m.Loss), "best", better)
	} else {
		args = append(args, "notFinite", v.notFinite)
	}
	args = append(args, "imagesPerSecond", round(report.Throughput.ImagesPerSecond), "seconds", round(report.Throughput.EpochSeconds))
	if r.skipped > 0 {
		args = append(args, "skippedSteps", r.skipped)
	}
	r.Log.Info("epoch done", args...)
}

// round leaves four digits, which is what a log line is read for.
func round(x float64) string { return fmt.Sprintf("%.4g", x) }

// stop ends a run before its time. An interrupted one is saved where it is, unless a checkpoint holds that already.
func (r *run) stop(why error) (Outcome, error) {
	if errors.Is(why, ErrInterrupted) && r.position() != r.saved {
		r.journal.reserveSnapshot()
		tensors, err := r.model.Snapshot(Resume)
		if err != nil {
			return r.outcome(nil), fmt.Errorf("save what was learned before %w: %w", why, err)
		}
		r.journal.put(entry{resume: &checkpoint.Checkpoint{Manifest: r.manifest(wire.CheckpointResume), Tensors: tensors}})
	}
	if err := r.journal.flush(); err != nil && !errors.Is(why, err) {
		return r.outcome(nil), fmt.Errorf("%w; training had stopped: %v", err, why)
	}
	return r.outcome(nil), why
}

// finish scores the best, and nothing else, on the test split, once, and tells it.
func (r *run) finish(ctx context.Context) (Outcome, error) {
	if err := r.journal.flush(); err != nil {
		return r.outcome(nil), err
	}
	best := r.journal.best
	if best == nil {
		return r.stop(&Diverged{Epoch: r.epoch, Step: r.step, Why: "in no epoch were all validation scores finite, so there is no best"})
	}
	report := r.newReport(wire.Finished)
	report.Message = fmt.Sprintf("the best is epoch %d", best.Epoch)
	if r.epoch < r.epochs {
		report.Message += fmt.Sprintf("; ended after %d of %d epochs, since %d brought nothing better", r.epoch, r.epochs, r.Trial.Hyperparameters.Patience)
	}
	if len(r.data.Test) > 0 {
		loaded, err := checkpoint.Load(best.Checkpoint)
		if err != nil { // the store's fault: the next attempt goes on from before this best, or from the same once it can be read
			return r.stop(fmt.Errorf("%w: score the best on the test split: %w", ErrNotKept, err))
		}
		if err := r.model.Restore(Inference, loaded.Tensors); err != nil {
			return r.stop(fmt.Errorf("score the best on the test split: %w", err))
		}
		samples, bad, err := r.evaluate(ctx, r.data.Test, best.Calibration)
		if err != nil {
			return r.stop(err)
		}
		if bad > 0 {
			report.NotFinite = fmt.Sprintf("%d of %d test scores are NaN or Inf", bad, len(samples))
		} else {
			test, err := score.Measure(samples, best.Calibration.Threshold, r.Trial.Hyperparameters.Seed)
			if err != nil {
				return r.stop(fmt.Errorf("measure the test split: %w", err))
			}
			report.Test, report.Weights = &test, r.weightsKind()
		}
	} else {
		report.Message += "; there is no test split to score it on"
	}
	r.journal.put(entry{report: &report})
	return r.outcome(report.Test), r.journal.flush()
}

func (r *run) outcome(test *wire.Metrics) Outcome {
	return Outcome{Epoch: r.epoch, Step: r.step, Best: r.journal.best, Test: test}
}
