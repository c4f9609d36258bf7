package session

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/resnet"
)

// batchNormMomentum is PyTorch's: running = 0.9 running + 0.1 batch.
const batchNormMomentum = 0.1

// trainGraph is one optimizer step: what it is fed, what it tells, what it does.
type trainGraph struct {
	images, labels, weights, rates tf.Output
	loss, norm, finite             tf.Output
	update                         *tf.Operation
}

// drawTrain draws a step over the network:
// images [N,S,S,C] -> logits [N,2] -> loss -> gradients -> clipped -> AdamW, and the running statistics beside it.
// Nothing is updated unless everything that would be is finite.
func drawTrain(root *op.Scope, net *resnet.Net, slots *slots, c Config) trainGraph {
	s := root.SubScope("train")
	g := trainGraph{
		images:  imagePlaceholder(s, c),
		labels:  op.Placeholder(s.SubScope("labels"), tf.Int32, op.PlaceholderShape(tf.MakeShape(-1))),
		weights: op.Placeholder(s.SubScope("weights"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1))),
		rates:   op.Placeholder(s.SubScope("rates"), tf.Float, op.PlaceholderShape(tf.MakeShape(rateCount))),
	}
	logits, measured := net.Forward(s, g.images, resnet.Training)
	g.loss = weightedLoss(s.SubScope("loss"), logits, g.labels, g.weights)

	trained := slots.trained
	values := make([]tf.Output, len(trained))
	for i, p := range trained {
		values[i] = p.Value
	}
	if s.Err() != nil {
		return g // the scope keeps its first error; drawing on would panic
	}
	grads := op.Gradients(s.SubScope("gradients"), []tf.Output{g.loss}, values)
	if s.Err() != nil {
		return g
	}
	g.norm = globalNorm(s.SubScope("norm"), trained, grads)
	g.finite = allFinite(s.SubScope("finite"), g.loss, g.norm, measured)

	updates := followStatistics(s.SubScope("statistics"), measured, g.finite)
	updates = append(updates, slots.drawAdamW(s.SubScope("adamw"), grads, g.rates, g.norm, g.finite, c)...)
	g.update = op.NoOp(s.SubScope("update").WithControlDependencies(updates...))
	return g
}

func imagePlaceholder(s *op.Scope, c Config) tf.Output {
	side := int64(c.ImageSize)
	return op.Placeholder(s.SubScope("images"), tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, side, side, int64(c.Channels))))
}

// weightedLoss: sum(w ce) / sum(w), as PyTorch's CrossEntropyLoss weighs. logits: [N,2], labels: [N], weights: [N] -> scalar
func weightedLoss(s *op.Scope, logits, labels, weights tf.Output) tf.Output {
	all := op.Const(s.SubScope("all"), []int32{0})
	target := op.OneHot(s, labels, op.Const(s.SubScope("classes"), int32(resnet.Classes)),
		op.Const(s.SubScope("on"), float32(1)), op.Const(s.SubScope("off"), float32(0)))
	ce, _ := op.SoftmaxCrossEntropyWithLogits(s, logits, target)
	return op.RealDiv(s, op.Sum(s.SubScope("weighted"), op.Mul(s, ce, weights), all), op.Sum(s.SubScope("weights"), weights, all))
}

// globalNorm: the square root of the sum of all squares. L2Loss is half a sum of squares, in one pass without a temporary.
func globalNorm(s *op.Scope, trained []*resnet.Param, grads []tf.Output) tf.Output {
	halves := make([]tf.Output, len(grads))
	for i, g := range grads {
		halves[i] = op.L2Loss(s.SubScope(trained[i].Name), g)
	}
	return op.Sqrt(s, op.Mul(s, op.AddN(s, halves), op.Const(s, float32(2))))
}

// allFinite is one number made of all that an update would use: it is finite only if they are. A sum of squares that
// overflows counts as not finite, which no useful gradient reaches.
func allFinite(s *op.Scope, loss, norm tf.Output, measured []resnet.Measured) tf.Output {
	var statistics []tf.Output
	for _, m := range measured {
		statistics = append(statistics, m.BatchMean, m.BatchVar)
	}
	joined := op.ConcatV2(s, statistics, op.Const(s.SubScope("axis"), int32(0)))
	total := op.Sum(s, joined, op.Const(s.SubScope("all"), []int32{0}))
	return op.IsFinite(s, op.AddN(s, []tf.Output{loss, norm, total}))
}

// followStatistics moves each running statistic a tenth of the way to the batch's.
func followStatistics(s *op.Scope, measured []resnet.Measured, finite tf.Output) []*tf.Operation {
	momentum := gate(s, op.Const(s, float32(batchNormMomentum)), finite)
	var updates []*tf.Operation
	follow := func(running *resnet.Param, batch tf.Output) {
		u := s.SubScope(running.Name)
		updates = append(updates, op.AssignSubVariableOp(u, running.Handle, op.Mul(u, op.Sub(u, running.Value, batch), momentum)))
	}
	for _, m := range measured {
		follow(m.RunningMean, m.BatchMean)
		follow(m.RunningVar, m.BatchVar)
	}
	return updates
}

// gate passes x on when finite holds. Otherwise its output is dead, and TensorFlow leaves out every operation that uses it:
// gating one number that an update multiplies by gates the whole update, at no cost.
func gate(s *op.Scope, x, finite tf.Output) tf.Output {
	_, passed := op.Switch(s, x, finite)
	return passed
}
