package main

import (
	"fmt"
	"math"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/export"
	"plumbline.dev/plumbline/wire"
)

// tolerance is how far a replayed prediction may be from the recorded one. A wrong weight changes a prediction by far
// more.
type tolerance struct {
	probability float64
	logit       float64 // if the logit is closer than this to the threshold, the decision may differ
}

// toleranceOf returns the tolerance for predictions that were recorded with these numerics. They are replayed on a
// CPU. Between two CPUs float32 sums differ in the last digits. A GPU rounds the factors of a convolution to TF32,
// which has 10 bits of mantissa: about 1e-3 in a score. With the lowest temperature, 0.1, that is up to 1e-2 in a
// logit, and a quarter of that in a probability. The tolerance is twice as much.
func toleranceOf(n wire.Numerics) tolerance {
	if n.Device == "gpu" {
		return tolerance{probability: 5e-3, logit: 2e-2}
	}
	return tolerance{probability: 1e-5, logit: 1e-3}
}

// replayFailed is the error of a model whose prediction differs from the recorded one.
const replayFailed = "the model is not published: for sample %s it gives the probability %.7f (defect: %v), " +
	"and training recorded %.7f (defect: %v)"

// replay asks the exported model about the recorded images. It returns an error unless the model gives the recorded
// probabilities, and the recorded decisions wherever the logit is not within rounding of the threshold.
func replay(dir string, c checkpoint.Checkpoint, threads int) error {
	served, err := export.Load(dir, threads)
	if err != nil {
		return fmt.Errorf("load the exported model: %w", err)
	}
	defer served.Close()
	m := c.Manifest
	predictions, err := served.Predict(c.Golden, len(m.Golden))
	if err != nil {
		return fmt.Errorf("replay the recorded predictions: %w", err)
	}
	within := toleranceOf(m.Numerics)
	for i, g := range m.Golden {
		p := predictions[i]
		near := math.Abs(g.Logit-m.Calibration.Threshold) < within.logit
		if !(math.Abs(float64(p.Probability)-g.Probability) <= within.probability) || p.Positive != g.Defect && !near {
			err := fmt.Errorf(replayFailed, g.ID, p.Probability, p.Positive, g.Probability, g.Defect)
			return &ending{code: wire.ExitData, reason: "ReplayFailed", where: g.ID, err: err}
		}
	}
	return nil
}
