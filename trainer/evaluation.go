package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// evaluation is the result of measuring a best checkpoint on a set of samples.
type evaluation struct {
	checkpoint checkpoint.Checkpoint
	ref        wire.CheckpointRef
	sampleSet  // with the logits of its samples
	metrics    wire.Metrics
	mistakes   []page.Mistake
}

// worstShown is how many mistakes the page shows. Half are missed defects and half are false alarms, if there are as
// many.
const worstShown = 12

// openBest reads the best checkpoint in a directory that a person named, and verifies every byte of it.
func openBest(dir string) (checkpoint.Checkpoint, wire.CheckpointRef, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return checkpoint.Checkpoint{}, wire.CheckpointRef{}, err
	}
	ref, err := checkpoint.RefOf(dir)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, checkpoint.ErrDamaged) {
		err = fmt.Errorf("there is no checkpoint: %s does not exist", dir)
		return checkpoint.Checkpoint{}, ref, missingError(dir, err)
	}
	if err != nil {
		return checkpoint.Checkpoint{}, ref, err
	}
	c, err := loadBest(ref)
	return c, ref, err
}

// openModel returns a model with a checkpoint's weights. It scores and explains images, and is not for training.
func openModel(c checkpoint.Checkpoint, threads int) (*session.Model, error) {
	in, a := c.Manifest.Input, c.Manifest.Architecture
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.ImageSize = in.Size
	// A best checkpoint's tensors are already the averages, if the trial kept averages. SGD has the fewest slots.
	h.EMA, h.Augment, h.Optimizer = 0, wire.Augment{}, wire.SGD
	model, err := session.New(session.Config{
		Architecture: resnet.Architecture{Depth: a.Depth, Block: a.Block, Epsilon: a.Epsilon, Classes: resnet.Classes},
		Channels:     len(in.Channels),
		Mean:         in.Mean,
		Std:          in.Std,
		Hyper:        h,
		Threads:      max(1, threads),
	})
	if err != nil {
		return nil, fmt.Errorf("build depth %d: %w", a.Depth, err)
	}
	if err := model.Restore(loop.Inference, c.Tensors); err != nil {
		model.Close()
		return nil, err
	}
	return model, nil
}

// newEvaluation scores a set of samples, measures the result, and explains the worst mistakes. The model has the
// weights of the checkpoint c, whose reference is ref.
func newEvaluation(
	ctx context.Context, model *session.Model, c checkpoint.Checkpoint, ref wire.CheckpointRef, set sampleSet,
	screen *screen,
) (evaluation, error) {
	e := evaluation{checkpoint: c, ref: ref, sampleSet: set}
	e.samples = slices.Clone(set.samples)
	if err := e.score(ctx, model, screen); err != nil {
		return e, err
	}
	m := c.Manifest
	var err error
	if e.metrics, err = score.Measure(page.Judged(e.samples), m.Calibration.Threshold, m.Seed); err != nil {
		return e, dataError(ref.URI, fmt.Errorf("measure the %s split: %w", set.split, err))
	}
	worst := page.Worst(e.samples, m.Calibration.Threshold, worstShown)
	screen.count("explaining", 0, len(worst))
	pixels, explanations, err := e.explain(ctx, model, worst)
	if err != nil {
		return e, err
	}
	for k, i := range worst {
		n := len(pixels) / len(worst)
		e.mistakes = append(e.mistakes, page.Mistake{
			Sample:          e.samples[i],
			Pixels:          pixels[k*n : (k+1)*n],
			ClassActivation: pageHeat(explanations[k].ClassActivation),
			GradCAM:         pageHeat(explanations[k].GradCAM),
		})
	}
	return e, nil
}

// score sets the logit of every sample.
func (e *evaluation) score(ctx context.Context, model *session.Model, screen *screen) error {
	c := e.checkpoint.Manifest.Calibration
	return e.forEachPart(ctx, "scoring", screen, func(at []int, images []uint8) error {
		scores, err := model.Evaluate(images, len(at))
		if err != nil {
			return err
		}
		for k, i := range at {
			e.samples[i].Logit = (float64(scores[k]) - c.Shift) / c.Temperature
		}
		return nil
	})
}

// explain returns the images of the samples at these positions, [len(at),S,S,C], and for each one an explanation: where
// the model finds evidence for a defect.
func (e *evaluation) explain(
	ctx context.Context, model *session.Model, at []int,
) ([]uint8, []session.Explanation, error) {
	if len(at) == 0 {
		return nil, nil, nil
	}
	pixels, err := e.readImages(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	explanations, err := model.Explain(pixels, len(at))
	return pixels, explanations, err
}

// pageHeat converts a heat map for the page, which does not import session.
func pageHeat(h session.Heat) page.Heat {
	return page.Heat{Side: h.Side, Values: h.Values, Peak: h.Peak}
}

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

// labelName returns the name of a label or decision.
func labelName(defect bool) string {
	if defect {
		return dataset.Defect.String()
	}
	return dataset.Normal.String()
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
