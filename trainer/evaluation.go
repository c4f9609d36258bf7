package main

import (
	"context"
	"fmt"
	"slices"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/page"
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
