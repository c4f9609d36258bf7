package session

import (
	"errors"
	"fmt"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// Step takes one optimizer step on a batch. Hyper.Accumulate must divide the batch into parts of equal size with at
// least two samples each, because batch normalisation needs two samples. The error wraps loop.ErrMemory if the batch
// does not fit into the device's memory.
func (m *Model) Step(b loop.Batch, p loop.StepParams) (loop.StepResult, error) {
	result, err := m.step(b, p)
	// This is TensorFlow's text: graft does not keep the code of an error.
	if err != nil && strings.Contains(err.Error(), "OOM when allocating") {
		err = fmt.Errorf("%w: %d samples of %d pixels at depth %d: %w", loop.ErrMemory,
			len(b.Labels)/m.config.Hyper.Accumulate, m.config.Hyper.ImageSize, m.config.Architecture.Depth, err)
	}
	if err != nil {
		return loop.StepResult{}, fmt.Errorf("step %d of phase %s: %w", p.PhaseStep, p.Phase, err)
	}
	return result, nil
}

// step runs the graph of the phase once for each part of the batch. All runs but the last add the part's gradients to
// the accumulators. The last run adds its own gradients to the sums and updates the weights.
func (m *Model) step(b loop.Batch, p loop.StepParams) (result loop.StepResult, err error) {
	if err := m.checkBatch(b, p); err != nil {
		return result, err
	}
	g, err := m.trainGraph(p.Phase)
	if err != nil {
		return result, err
	}
	var totalWeight float32
	for _, w := range b.Weights {
		totalWeight += w
	}
	n := len(b.Labels)
	size := n / m.config.Hyper.Accumulate
	for from := 0; from < n; from += size {
		feeds := map[tf.Output]*tf.Tensor{}
		if err := m.feedPart(feeds, g, b, from, from+size, totalWeight, p); err != nil {
			return result, err
		}
		if from+size < n {
			out, err := m.session.Run(feeds, []tf.Output{g.loss}, []*tf.Operation{g.accumulate})
			if err != nil {
				return result, err
			}
			result.Loss += out[0].Value().(float32)
			continue
		}
		out, err := m.session.Run(feeds, []tf.Output{g.loss, g.norm, g.finite}, []*tf.Operation{g.update})
		if err != nil {
			return result, err
		}
		result.Loss += out[0].Value().(float32)
		result.GradNorm, result.Finite = out[1].Value().(float32), out[2].Value().(bool)
	}
	return result, nil
}

// trainGraph returns the graph of a phase. It draws the graph when the phase's first step asks for it.
func (m *Model) trainGraph(phase loop.Phase) (*trainGraph, error) {
	if g := m.train[phase]; g != nil {
		return g, nil
	}
	hadAccumulators := m.accumulators != nil
	g := m.drawTrain(phase)
	var zeros []*tf.Operation
	if !hadAccumulators { // the first graph that needs accumulators has drawn them; they have no values yet
		for p, v := range m.accumulators {
			zeros = append(zeros, assignZeros(m.root.SubScope("first/"+p.Name), v.handle, p))
		}
	}
	if err := m.root.Err(); err != nil {
		return nil, fmt.Errorf("draw the training of depth %d: %w", m.config.Architecture.Depth, err)
	}
	if len(zeros) > 0 {
		if _, err := m.session.Run(nil, nil, zeros); err != nil {
			return nil, fmt.Errorf("set the accumulators to 0: %w", err)
		}
	}
	m.train[phase] = g
	return g, nil
}

// feedPart adds to feeds what a run on the samples from to to-1 of a batch is fed. totalWeight is the sum of the
// weights of the whole batch.
func (m *Model) feedPart(
	feeds map[tf.Output]*tf.Tensor, g *trainGraph, b loop.Batch, from, to int, totalWeight float32, p loop.StepParams,
) error {
	n, side, c := int64(to-from), int64(m.config.Hyper.ImageSize), m.config.Channels
	image := m.imageBytes()
	errs := []error{
		addFeed(m, feeds, g.images, b.Images[from*image:to*image], n, side, side, int64(c)),
		addFeed(m, feeds, g.labels, b.Labels[from:to], n),
		addFeed(m, feeds, g.sampleWeights, b.Weights[from:to], n),
		addFeed(m, feeds, g.totalWeight, []float32{totalWeight}),
		addFeed(m, feeds, g.scalars, scalars(m.config.Hyper, p), scalarCount),
	}
	if a := b.Augment; m.config.Hyper.Augment.Any() {
		errs = append(errs,
			addFeed(m, feeds, g.augment.gain, a.Gain[from*c:to*c], n, int64(c)),
			addFeed(m, feeds, g.augment.offset, a.Offset[from*c:to*c], n, int64(c)))
		if m.config.augmentMoves() {
			errs = append(errs, addFeed(m, feeds, g.augment.transforms, a.Transforms[from*8:to*8], n, 8))
		}
		if g.augment.noise {
			key := [2]int32{a.Key[0], a.Key[1] + int32(from)} // so that no two parts have the same noise
			errs = append(errs, addFeed(m, feeds, g.augment.key, key[:], 2))
		}
	}
	return errors.Join(errs...)
}

// checkBatch refuses a batch that a graph would refuse, or would take and train on wrongly.
func (m *Model) checkBatch(b loop.Batch, p loop.StepParams) error {
	n, channels := len(b.Labels), m.config.Channels
	if err := wire.CheckBatch(n, m.config.Hyper.Accumulate); err != nil {
		return err
	}
	if len(b.Weights) != n || len(b.Images) != n*m.imageBytes() {
		return fmt.Errorf("a batch of %d labels has %d weights and %d bytes of images; an image has %d bytes",
			n, len(b.Weights), len(b.Images), m.imageBytes())
	}
	for i, l := range b.Labels {
		if l < 0 || l >= resnet.Classes {
			return fmt.Errorf("label %d at position %d is neither 0 nor 1", l, i)
		}
	}
	if a := b.Augment; m.config.Hyper.Augment.Any() {
		if a == nil || len(a.Transforms) != 8*n || len(a.Gain) != n*channels || len(a.Offset) != n*channels {
			return fmt.Errorf("the batch does not say how each of its %d samples is to be augmented", n)
		}
	}
	if !finite(float64(p.LearningRate)) || !finite(float64(p.Average)) {
		return fmt.Errorf("learning rate %v and the averages' share %v must be finite", p.LearningRate, p.Average)
	}
	if p.PhaseStep < 1 {
		return fmt.Errorf("phase step %d is below 1", p.PhaseStep)
	}
	return nil
}
