package session

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// batchNormMomentum is PyTorch's: running = 0.9 running + 0.1 batch.
const batchNormMomentum = 0.1

// trainGraph is one optimizer step of one phase: what it is fed, what it tells, what it does.
type trainGraph struct {
	images, labels, weights, total, rates tf.Output
	augment                               augmentation
	loss, norm, finite                    tf.Output
	accumulate                            *tf.Operation // nil where a batch has one part
	update                                *tf.Operation
}

// drawTrain draws a step of a phase over the network:
// images [N,S,S,C] -> augmented -> logits [N,2] -> loss -> gradients -> clipped -> optimizer, and beside it the running statistics
// and the averages. Nothing is updated unless everything that would be is finite.
func (m *Model) drawTrain(phase loop.Phase) *trainGraph {
	h := m.config.Hyper
	s := m.root.SubScope("train-" + string(phase))
	g := &trainGraph{
		images:  m.imagePlaceholder(s),
		labels:  op.Placeholder(s.SubScope("labels"), tf.Int32, op.PlaceholderShape(tf.MakeShape(-1))),
		weights: op.Placeholder(s.SubScope("weights"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1))),
		total:   op.Placeholder(s.SubScope("total"), tf.Float, op.PlaceholderShape(tf.ScalarShape())),
		rates:   op.Placeholder(s.SubScope("rates"), tf.Float, op.PlaceholderShape(tf.MakeShape(rateCount))),
	}
	x := m.net.Normalise(s, g.images)
	if h.Augment.Any() {
		g.augment, x = drawAugment(s.SubScope("augment"), x, m.config)
	}
	mode := resnet.Training
	if phase == loop.All && h.BatchNorm == wire.BatchNormFreeze {
		mode = resnet.Inference
	}
	pass := m.net.Forward(s, x, resnet.Options{Mode: mode, Compute: m.config.compute()})
	g.loss = weightedLoss(s.SubScope("loss"), pass.Logits, g.labels, g.weights, g.total, h.LabelSmoothing)

	params := inPhase(phase, m.net.Params)
	values := make([]tf.Output, len(params))
	for i, p := range params {
		values[i] = p.Value
	}
	if s.Err() != nil {
		return g // the scope keeps its first error; drawing on would panic
	}
	rate := op.Unpack(s, g.rates, rateCount)
	if s.Err() != nil {
		return g
	}
	scaled := g.loss
	if h.Precision == wire.Float16 {
		scaled = op.Mul(s.SubScope("scale"), g.loss, rate[rateScale])
	}
	grads := op.Gradients(s.SubScope("gradients"), []tf.Output{scaled}, values)
	if s.Err() != nil {
		return g
	}
	if h.Precision == wire.Float16 {
		for i, p := range params {
			grads[i] = op.Mul(s.SubScope("unscale/"+p.Name), grads[i], rate[rateUnscale])
		}
	}
	if h.Accumulate > 1 {
		grads = m.drawAccumulate(s.SubScope("accumulate"), g, params, grads, pass.Measured)
	}
	g.norm = globalNorm(s.SubScope("norm"), params, grads)
	g.finite = allFinite(s.SubScope("finite"), g.loss, &g.norm, pass.Measured)

	changed := m.optimizer.draw(s.SubScope(h.Optimizer), phase, params, grads, rate, g.norm, g.finite)
	momentum := gate(s.SubScope("momentum"), op.Const(s.SubScope("momentum"), float32(batchNormMomentum)), g.finite)
	moved, statistics := followStatistics(s.SubScope("statistics"), pass.Measured, momentum)
	updates := append(append([]*tf.Operation{}, changed...), moved...)
	if m.averages != nil {
		updates = append(updates, m.drawAverages(s.SubScope("averages"), append(params, statistics...), updates, rate[rateAverage])...)
	}
	if h.Accumulate > 1 {
		updates = append(updates, m.emptyAccumulators(s.SubScope("empty"), params, grads, g.norm)...)
	}
	g.update = op.NoOp(s.SubScope("update").WithControlDependencies(updates...))
	return g
}

// inPhase lists what a phase trains.
func inPhase(phase loop.Phase, params []*resnet.Param) []*resnet.Param {
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

func (m *Model) imagePlaceholder(s *op.Scope) tf.Output {
	side := int64(m.config.Hyper.ImageSize)
	return op.Placeholder(s.SubScope("images"), tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, side, side, int64(m.config.Channels))))
}

// weightedLoss: sum(w ce) / total, where total is the sum of the whole batch's weights, as PyTorch's CrossEntropyLoss weighs.
// Smoothing spreads its share of a label evenly over the classes. With weights it is not that class's: a sample's whole smoothed loss
// has the weight of the sample's label, as with reduction="none" times a weight for each sample, where CrossEntropyLoss(weight,
// label_smoothing) gives the part that was spread the weight of the class that it was spread to. Without weights the two are one.
// logits: [N,2], labels: [N], weights: [N], total: scalar -> scalar
func weightedLoss(s *op.Scope, logits, labels, weights, total tf.Output, smoothing float64) tf.Output {
	off := smoothing / resnet.Classes
	target := op.OneHot(s, labels, op.Const(s.SubScope("classes"), int32(resnet.Classes)),
		op.Const(s.SubScope("on"), float32(1-smoothing+off)), op.Const(s.SubScope("off"), float32(off)))
	ce, _ := op.SoftmaxCrossEntropyWithLogits(s, logits, target)
	return op.RealDiv(s, op.Sum(s.SubScope("weighted"), op.Mul(s, ce, weights), op.Const(s.SubScope("all"), []int32{0})), total)
}

// drawAccumulate draws how the gradients of a batch's parts add up, and returns the sum that the last part completes.
func (m *Model) drawAccumulate(s *op.Scope, g *trainGraph, params []*resnet.Param, grads []tf.Output, measured []resnet.Measured) []tf.Output {
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
	finite := allFinite(s.SubScope("finite"), g.loss, nil, measured)
	momentum := gate(s.SubScope("momentum"), op.Const(s.SubScope("momentum"), float32(batchNormMomentum)), finite)
	moved, _ := followStatistics(s.SubScope("statistics"), measured, momentum)
	g.accumulate = op.NoOp(s.SubScope("part").WithControlDependencies(append(adds, moved...)...))
	return sums
}

// emptyAccumulators once their sums have been used, whether or not they were finite.
func (m *Model) emptyAccumulators(s *op.Scope, params []*resnet.Param, sums []tf.Output, norm tf.Output) []*tf.Operation {
	var empties []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name).WithControlDependencies(norm.Op, sums[i].Op)
		empties = append(empties, assignZeros(u, m.accumulators[p].handle, p))
	}
	return empties
}

// drawAverages moves the averages of params towards their values after the updates, of which there is one for each.
func (m *Model) drawAverages(s *op.Scope, params []*resnet.Param, updates []*tf.Operation, share tf.Output) []*tf.Operation {
	var moves []*tf.Operation
	for i, p := range params {
		// A read that waits for an update that is left out is left out with it, and so is what follows.
		u := s.SubScope(p.Name).WithControlDependencies(updates[i])
		value := op.ReadVariableOp(u, p.Handle, tf.Float)
		away := op.Sub(u, m.averages[p].value, value)
		moves = append(moves, op.AssignSubVariableOp(u, m.averages[p].handle, op.Mul(u, away, share)))
	}
	return moves
}

// globalNorm: the square root of the sum of all squares. L2Loss is half a sum of squares, in one pass without a temporary.
func globalNorm(s *op.Scope, params []*resnet.Param, grads []tf.Output) tf.Output {
	halves := make([]tf.Output, len(grads))
	for i, g := range grads {
		halves[i] = op.L2Loss(s.SubScope(params[i].Name), g)
	}
	return op.Sqrt(s, op.Mul(s, op.AddN(s, halves), op.Const(s, float32(2))))
}

// allFinite is one number made of all that an update would use: it is finite only if they are. A sum of squares that
// overflows counts as not finite, which no useful gradient reaches. norm may be nil.
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

// followStatistics moves each running statistic by the share momentum of the way to the batch's.
func followStatistics(s *op.Scope, measured []resnet.Measured, momentum tf.Output) (updates []*tf.Operation, moved []*resnet.Param) {
	follow := func(running *resnet.Param, batch tf.Output) {
		u := s.SubScope(running.Name)
		updates = append(updates, op.AssignSubVariableOp(u, running.Handle, op.Mul(u, op.Sub(u, running.Value, batch), momentum)))
		moved = append(moved, running)
	}
	for _, m := range measured {
		follow(m.RunningMean, m.BatchMean)
		follow(m.RunningVar, m.BatchVar)
	}
	return updates, moved
}

// gate passes x on when finite holds. Otherwise its output is dead, and TensorFlow leaves out every operation that uses it:
// gating one number that an update multiplies by gates the whole update, at no cost.
func gate(s *op.Scope, x, finite tf.Output) tf.Output {
	_, passed := op.Switch(s, x, finite)
	return passed
}
