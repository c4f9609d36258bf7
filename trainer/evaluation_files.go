package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// Files of an evaluation.
const (
	pageFile        = "report.html"
	metricsFile     = "metrics.jsonl"
	predictionsFile = "predictions.csv"
)

// write writes the evaluation's files into dir.
func (e evaluation) write(dir string) error {
	m := e.checkpoint.Manifest
	epochs := epochsOf(e.checkpoint, e.ref)
	var html, metrics, predictions bytes.Buffer
	err := page.Write(&html, page.Content{
		Manifest: m, Checkpoint: e.ref, Epochs: epochs, Notes: e.notes,
		Split: e.split, Samples: e.samples, Metrics: e.metrics, Mistakes: e.mistakes,
	})
	err = errors.Join(err, e.writeMetrics(&metrics, epochs), printPredictions(&predictions, "csv", e.predictions()))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return storeError(dir, err)
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{pageFile, html.Bytes()}, {metricsFile, metrics.Bytes()}, {predictionsFile, predictions.Bytes()}} {
		if err := os.WriteFile(filepath.Join(dir, file.name), file.text, 0o644); err != nil {
			return storeError(dir, err)
		}
	}
	return nil
}

// predictions returns the predictions for the samples, in the form that predict prints.
func (e evaluation) predictions() (all []prediction) {
	threshold := e.checkpoint.Manifest.Calibration.Threshold
	for _, s := range e.samples {
		all = append(all, prediction{
			ID:          s.ID,
			Package:     s.Package,
			Probability: float32(score.Probability(s.Logit)),
			Decision:    labelName(s.Logit >= threshold),
			Logit:       float32(s.Logit),
			Threshold:   threshold,
			Label:       labelName(s.Defect),
			Model:       e.ref.Digest,
		})
	}
	return all
}

// metricsLine is one line of metrics.jsonl: an epoch, measured on the validation split, or the evaluation.
type metricsLine struct {
	Kind       string           `json:"kind"` // "epoch" or "evaluation"
	Trial      string           `json:"trial"`
	Depth      int              `json:"depth"`
	Epoch      int              `json:"epoch"`
	Step       int64            `json:"step"`
	Split      string           `json:"split"`
	Checkpoint string           `json:"checkpoint,omitempty"` // digest of the epoch's best, or of the evaluated one
	TrainLoss  float64          `json:"trainLoss,omitempty"`
	Metrics    *wire.Metrics    `json:"metrics,omitempty"`
	NotFinite  string           `json:"notFinite,omitempty"` // the reason why there are no metrics
	Throughput *wire.Throughput `json:"throughput,omitempty"`
}

// writeMetrics writes one line for each epoch, and one for the evaluation.
func (e evaluation) writeMetrics(w *bytes.Buffer, epochs []wire.Report) error {
	m := e.checkpoint.Manifest
	var lines []metricsLine
	for _, r := range epochs {
		line := metricsLine{
			Kind:       "epoch",
			Trial:      m.Trial,
			Depth:      m.Architecture.Depth,
			Epoch:      r.Epoch,
			Step:       r.Step,
			Split:      "validation",
			TrainLoss:  r.TrainLoss,
			Metrics:    r.Metrics,
			NotFinite:  r.NotFinite,
			Throughput: r.Throughput,
		}
		if r.Checkpoint != nil {
			line.Checkpoint = r.Checkpoint.Digest
		}
		lines = append(lines, line)
	}
	lines = append(lines, metricsLine{
		Kind:       "evaluation",
		Trial:      m.Trial,
		Depth:      m.Architecture.Depth,
		Epoch:      m.Epoch,
		Step:       m.Step,
		Split:      e.split,
		Checkpoint: e.ref.Digest,
		Metrics:    &e.metrics,
	})
	encoder := json.NewEncoder(w)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// evaluationDir is the directory, below the writer's own, into which a pod writes its trial's evaluation.
const evaluationDir = "report"

// writeEvaluation evaluates the best of a finished trial on its test split, and writes the files beside the writer's
// checkpoints. It sets the model's weights to the best's. Nothing depends on the files, so the caller only logs an
// error.
func writeEvaluation(
	ctx context.Context, model *session.Model, test sampleSet, best wire.CheckpointRef, writerDir string,
	log *slog.Logger,
) error {
	if len(test.samples) == 0 {
		return nil
	}
	c, err := loadBest(best)
	if err != nil {
		return err
	}
	if err := model.Restore(loop.Inference, c.Tensors); err != nil {
		return err
	}
	e, err := newEvaluation(ctx, model, c, best, test, &screen{})
	if err != nil {
		return err
	}
	dir := filepath.Join(writerDir, evaluationDir)
	if err := e.write(dir); err != nil {
		return err
	}
	log.Info("best evaluated on the test split", "report", filepath.Join(dir, pageFile))
	return nil
}
