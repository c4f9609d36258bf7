package session

import (
	"slices"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// batchNormMomentum is PyTorch's: running = 0.9 running + 0.1 batch.
const batchNormMomentum = 0.1

// trainGraph is one optimizer step of one phase.
type trainGraph struct {
	// Placeholders.
	images        tf.Output // [N,S,S,C] uint8
	labels        tf.Output // [N] int32
	sampleWeights tf.Output // [N]
	totalWeight   tf.Output // scalar: the sum of sampleWeights over the whole batch, of which this may be a part
	scalars       tf.Output // [scalarCount], see scalarRate and those after it
	augment       augmentation

	// Results.
	loss   tf.Output // scalar
	norm   tf.Output // scalar: of all gradients of the batch, before clipping
	finite tf.Output // bool: whether the update is made

	accumulate *tf.Operation // adds the gradients of a part to the accumulators; nil where a batch has one part
	update     *tf.Operation // makes the optimizer step
}

// drawTrain draws a step of a phase over the network:
// images [N,S,S,C] -> augmented -> logits [N,2] -> loss -> gradients -> clipped -> optimizer, and beside it the running
// statistics and the averages. Nothing is updated unless loss, gradients and batch statistics are all finite. (If a
// batch has several parts, the running statistics are an exception: see drawAccumulate.)
//
// After an error the scope refuses to draw, and code that uses an output would panic: hence the checks of s.Err.
func (m *Model) drawTrain(phase loop.Phase) *trainGraph {
	h := m.config.Hyper
	s := m.root.SubScope("train-" + string(phase))
	g := m.drawTrainInputs(s)
	measured := m.drawLoss(s, g, phase)
	if s.Err() != nil {
		return g
	}
	fed := op.Unpack(s, g.scalars, scalarCount)
	if s.Err() != nil {
		return g
	}
	params := trainedIn(phase, m.net.Params)
	grads := m.drawGradients(s, g.loss, params, fed)
	if s.Err() != nil {
		return g
	}
	if h.Accumulate > 1 {
		grads = m.drawAccumulate(s.SubScope("accumulate"), g, params, grads, measured)
	}
	g.norm = globalNorm(s.SubScope("norm"), params, grads)
	g.finite = allFinite(s.SubScope("finite"), g.loss, &g.norm, measured)

	updates := m.optimizer.draw(s.SubScope(h.Optimizer), phase, params, grads, fed, g.norm, g.finite)
	statisticUpdates, statistics := followIfFinite(s, measured, g.finite)
	updates = append(updates, statisticUpdates...)
	if m.averages != nil {
		changed := slices.Concat(params, statistics)
		updates = append(updates, m.drawAverages(s.SubScope("averages"), changed, updates, fed[scalarAverage])...)
	}
	if h.Accumulate > 1 {
		updates = append(updates, m.emptyAccumulators(s.SubScope("empty"), params, grads, g.norm)...)
	}
	g.update = op.NoOp(s.SubScope("update").WithControlDependencies(updates...)) // running it runs all updates
	return g
}

// drawTrainInputs draws the placeholders of a step, except those of the augmentation.
func (m *Model) drawTrainInputs(s *op.Scope) *trainGraph {
	perSample, scalar := tf.MakeShape(-1), tf.ScalarShape()
	return &trainGraph{
		images:        m.imagePlaceholder(s),
		labels:        op.Placeholder(s.SubScope("labels"), tf.Int32, op.PlaceholderShape(perSample)),
		sampleWeights: op.Placeholder(s.SubScope("weights"), tf.Float, op.PlaceholderShape(perSample)),
		totalWeight:   op.Placeholder(s.SubScope("total"), tf.Float, op.PlaceholderShape(scalar)),
		scalars:       op.Placeholder(s.SubScope("scalars"), tf.Float, op.PlaceholderShape(tf.MakeShape(scalarCount))),
	}
}

// drawLoss draws the forward pass of a step and sets g.loss. It returns what batch normalisation measured, which is
// nothing where its statistics are frozen.
func (m *Model) drawLoss(s *op.Scope, g *trainGraph, phase loop.Phase) []resnet.Measured {
	h := m.config.Hyper
	x := m.net.Normalise(s, g.images)
	if h.Augment.Any() {
		g.augment, x = drawAugment(s.SubScope("augment"), x, m.config)
	}
	mode := resnet.Training
	if phase == loop.All && h.BatchNorm == wire.BatchNormFreeze {
		mode = resnet.Inference
	}
	pass := m.net.Forward(s, x, resnet.Options{Mode: mode, Compute: m.config.compute()})
	g.loss = weightedLoss(s.SubScope("loss"), pass.Logits, g.labels, g.sampleWeights, g.totalWeight, h.LabelSmoothing)
	return pass.Measured
}

// drawGradients draws the gradient of the loss with respect to each of params.
//
// In float16 a small gradient would become 0. So the loss is multiplied by the fed scale first, and the gradients of
// the weights, which are float32, by the fed inverse of the scale. torch.amp.GradScaler does the same.
func (m *Model) drawGradients(s *op.Scope, loss tf.Output, params []*resnet.Param, fed []tf.Output) []tf.Output {
	half := m.config.Hyper.Precision == wire.Float16
	if half {
		loss = op.Mul(s.SubScope("scale"), loss, fed[scalarScale])
	}
	values := make([]tf.Output, len(params))
	for i, p := range params {
		values[i] = p.Value
	}
	grads := op.Gradients(s.SubScope("gradients"), []tf.Output{loss}, values)
	if s.Err() != nil || !half {
		return grads
	}
	for i, p := range params {
		grads[i] = op.Mul(s.SubScope("unscale/"+p.Name), grads[i], fed[scalarUnscale])
	}
	return grads
}

// trainedIn returns the weights that a phase trains: all of them, or in the head phase the head and the first
// convolution.
func trainedIn(phase loop.Phase, params []*resnet.Param) []*resnet.Param {
	all := trained(params)
	if phase == loop.All {
		return all
	}
	var some []*resnet.Param
	for _, p := range all {
		switch p.Name {
		case "conv1.weight", "fc.weight", "fc.bias":
			some = append(some, p)
		}
	}
	return some
}

// weightedLoss draws sum(w ce) / total, where ce is each sample's cross-entropy and total is the sum of the whole
// batch's weights. torch.nn.CrossEntropyLoss(weight) divides by that sum too. logits: [N,2], labels: [N], weights: [N],
// total: scalar -> scalar
//
// Smoothing spreads its share of a label evenly over the classes. A sample's whole smoothed loss has the weight of the
// sample's own label, as with reduction="none" times a weight for each sample. CrossEntropyLoss(weight,
// label_smoothing) gives the spread part the weight of the class that it is spread to. Where all weights are equal the
// two are the same.
//
// The labels become one-hot vectors because SparseSoftmaxCrossEntropyWithLogits has no C++ gradient.
func weightedLoss(s *op.Scope, logits, labels, weights, total tf.Output, smoothing float64) tf.Output {
	off := smoothing / resnet.Classes
	target := op.OneHot(s, labels, op.Const(s.SubScope("classes"), int32(resnet.Classes)),
		op.Const(s.SubScope("on"), float32(1-smoothing+off)), op.Const(s.SubScope("off"), float32(off)))
	ce, _ := op.SoftmaxCrossEntropyWithLogits(s, logits, target)
	weighted := op.Sum(s.SubScope("weighted"), op.Mul(s, ce, weights), op.Const(s.SubScope("all"), []int32{0}))
	return op.RealDiv(s, weighted, total)
}

// drawAccumulate draws how the gradients of a batch's parts add up. It sets g.accumulate, which every part but the last
// runs, and returns the sums of the accumulators and the last part's gradients.
//
// Additions are not gated: a gradient that is not finite makes the sum not finite, so the whole step is skipped. The
// running statistics follow each part that is finite, as in PyTorch, where each part is a forward pass.
func (m *Model) drawAccumulate(
	s *op.Scope, g *trainGraph, params []*resnet.Param, grads []tf.Output, measured []resnet.Measured,
) []tf.Output {
	if m.accumulators == nil {
		m.accumulators = variablesBeside(m.root.SubScope("accumulators"), "accumulator/", trained(m.net.Params))
	}
	sums := make([]tf.Output, len(grads))
	var adds []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name)
		sums[i] = op.AddV2(u.SubScope("sum"), m.accumulators[p].value, grads[i])
		adds = append(adds, op.AssignAddVariableOp(u, m.accumulators[p].handle, grads[i]))
	}
	statisticUpdates, _ := followIfFinite(s, measured, allFinite(s.SubScope("finite"), g.loss, nil, measured))
	g.accumulate = op.NoOp(s.SubScope("part").WithControlDependencies(append(adds, statisticUpdates...)...))
	return sums
}

// emptyAccumulators draws the reset of the accumulators to 0 after a batch, also after a step that is skipped. The
// control edges keep an accumulator from being emptied before its sum has been read.
func (m *Model) emptyAccumulators(
	s *op.Scope, params []*resnet.Param, sums []tf.Output, norm tf.Output,
) []*tf.Operation {
	var empties []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name).WithControlDependencies(norm.Op, sums[i].Op)
		empties = append(empties, assignZeros(u, m.accumulators[p].handle, p))
	}
	return empties
}

// drawAverages draws average -= share (average - value) for the averages of params, with the values after the step.
// updates[i] is the operation that updates params[i].
//
// The control edge from the update orders the read after it. It also carries deadness: when a step is skipped its
// update is dead, and this makes the read, and the average's update, dead too.
func (m *Model) drawAverages(
	s *op.Scope, params []*resnet.Param, updates []*tf.Operation, share tf.Output,
) []*tf.Operation {
	var moves []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name).WithControlDependencies(updates[i])
		value := op.ReadVariableOp(u, p.Handle, tf.Float)
		away := op.Sub(u, m.averages[p].value, value)
		moves = append(moves, op.AssignSubVariableOp(u, m.averages[p].handle, op.Mul(u, away, share)))
	}
	return moves
}

// globalNorm draws the square root of the sum of all squares. L2Loss is half a sum of squares: it takes one pass and
// makes no temporary tensor of the squares.
func globalNorm(s *op.Scope, params []*resnet.Param, grads []tf.Output) tf.Output {
	halves := make([]tf.Output, len(grads))
	for i, g := range grads {
		halves[i] = op.L2Loss(s.SubScope(params[i].Name), g)
	}
	return op.Sqrt(s, op.Mul(s, op.AddN(s, halves), op.Const(s, float32(2))))
}

// allFinite draws whether everything that an update would use is finite. It adds all of it up to one number, which is
// finite only if every addend is. norm stands for the gradients, and may be nil. A sum of squares that overflows counts
// as not finite; no useful gradient is that large.
func allFinite(s *op.Scope, loss tf.Output, norm *tf.Output, measured []resnet.Measured) tf.Output {
	parts := []tf.Output{loss}
	if norm != nil {
		parts = append(parts, *norm)
	}
	if len(measured) > 0 {
		var statistics []tf.Output
		for _, m := range measured {
			statistics = append(statistics, m.BatchMean, m.BatchVar)
		}
		joined := op.ConcatV2(s, statistics, op.Const(s.SubScope("axis"), int32(0)))
		parts = append(parts, op.Sum(s, joined, op.Const(s.SubScope("all"), []int32{0})))
	}
	return op.IsFinite(s, op.AddN(s, parts))
}

// followIfFinite draws the move of the running statistics towards the batch's by batchNormMomentum, if finite holds.
func followIfFinite(
	s *op.Scope, measured []resnet.Measured, finite tf.Output,
) (updates []*tf.Operation, statistics []*resnet.Param) {
	m := s.SubScope("momentum")
	momentum := gate(m, op.Const(m, float32(batchNormMomentum)), finite)
	return followStatistics(s.SubScope("statistics"), measured, momentum)
}

// followStatistics draws running -= share (running - batch) for each running statistic. It returns the updates, and the
// statistic that each of them updates.
func followStatistics(
	s *op.Scope, measured []resnet.Measured, share tf.Output,
) (updates []*tf.Operation, statistics []*resnet.Param) {
	follow := func(running *resnet.Param, batch tf.Output) {
		u := s.SubScope(running.Name)
		move := op.Mul(u, op.Sub(u, running.Value, batch), share)
		updates = append(updates, op.AssignSubVariableOp(u, running.Handle, move))
		statistics = append(statistics, running)
	}
	for _, m := range measured {
		follow(m.RunningMean, m.BatchMean)
		follow(m.RunningVar, m.BatchVar)
	}
	return updates, statistics
}

// gate draws x where finite holds, and a dead tensor where it does not. TensorFlow does not run an operation that uses
// a dead tensor. So one gated number that an update multiplies by gates the whole update, at no cost.
func gate(s *op.Scope, x, finite tf.Output) tf.Output {
	_, whenTrue := op.Switch(s, x, finite) // the first output is alive when finite is false
	return whenTrue
}
