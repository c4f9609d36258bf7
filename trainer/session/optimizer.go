package session

import (
	"math"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// The optimizers are PyTorch's.
//
// AdamW (torch.optim.AdamW, after Loshchilov and Hutter, "Decoupled Weight Decay Regularization"):
//
//	p -= lr wd p                                     for kernels and matrices
//	m  = b1 m + (1-b1) g
//	v  = b2 v + (1-b2) g^2
//	p -= lr / (1-b1^t) m / (sqrt(v / (1-b2^t)) + eps)
//
// The last line equals p -= rate m / (sqrt(v) + epsHat) with rate = lr sqrt(1-b2^t) / (1-b1^t) and
// epsHat = eps sqrt(1-b2^t). This is what ResourceApplyAdam computes if its beta powers are 0: its epsilon is epsHat,
// which changes from step to step, so it has to be fed. Go computes rate and epsHat in float64: in float32, 1-b2^t
// would lose four digits in the first steps.
//
// SGD with momentum (torch.optim.SGD):
//
//	g = g + wd p                                     for kernels and matrices
//	m = momentum m + g
//	p -= lr m
//
// This is ResourceApplyMomentum. ResourceApplyKerasMomentum is another formula: it has the learning rate inside m, so
// past gradients would keep the rate of their own step.

// Positions in the vector of numbers that every step is fed. All else about an optimizer is a constant of the graph.
const (
	scalarRate    = iota // AdamW: lr sqrt(1-b2^t) / (1-b1^t); SGD: lr
	scalarDecay          // AdamW: lr wd
	scalarEpsilon        // AdamW: eps sqrt(1-b2^t)
	scalarAverage        // share of the new weights in the averages
	scalarScale          // float16: the factor of the loss
	scalarUnscale        // float16: the factor of the gradients, 1 / scale
	scalarCount
)

// scalars returns the vector of numbers for one step.
func scalars(h wire.Hyperparameters, p loop.StepParams) []float32 {
	fed := make([]float32, scalarCount)
	fed[scalarRate], fed[scalarAverage] = p.LearningRate, p.Average
	fed[scalarScale], fed[scalarUnscale] = p.LossScale, 1/p.LossScale
	if h.Optimizer == wire.AdamW {
		b1, b2 := math.Pow(h.Beta1, float64(p.PhaseStep)), math.Pow(h.Beta2, float64(p.PhaseStep))
		root := math.Sqrt(1 - b2)
		lr := float64(p.LearningRate)
		fed[scalarRate] = float32(lr * root / (1 - b1))
		fed[scalarDecay] = float32(lr * h.WeightDecay)
		fed[scalarEpsilon] = float32(h.Epsilon * root)
	}
	return fed
}

// slotPrefixes are the prefixes of an optimizer's slots, the variables in which it remembers something of each weight.
// A slot's name is the prefix and the name of the weight.
var slotPrefixes = map[string][]string{
	wire.AdamW: {"adamw.m/", "adamw.v/"},
	wire.SGD:   {"sgd.momentum/"},
}

// variable is a variable that belongs to a parameter and has its shape: a slot, an average or an accumulator.
type variable struct{ handle, value tf.Output }

// variablesBeside draws a variable for each of these parameters.
func variablesBeside(s *op.Scope, prefix string, params []*resnet.Param) map[*resnet.Param]variable {
	all := make(map[*resnet.Param]variable, len(params))
	for _, p := range params {
		var v variable
		v.handle, v.value = resnet.Variable(s, prefix+p.Name, p.TensorFlowShape())
		all[p] = v
	}
	return all
}

// optimizer draws the update of parameters.
type optimizer struct {
	hyper wire.Hyperparameters
	slots []map[*resnet.Param]variable // in the order of slotPrefixes
}

func newOptimizer(s *op.Scope, h wire.Hyperparameters, params []*resnet.Param) optimizer {
	o := optimizer{hyper: h}
	for _, prefix := range slotPrefixes[h.Optimizer] {
		o.slots = append(o.slots, variablesBeside(s, prefix, trained(params)))
	}
	return o
}

// trained returns the weights among params.
func trained(params []*resnet.Param) []*resnet.Param {
	var some []*resnet.Param
	for _, p := range params {
		if p.Trained {
			some = append(some, p)
		}
	}
	return some
}

// draw draws one update of each of params by its gradient, and returns the updates in the order of params. fed is the
// vector of scalars, unpacked. Gradients are scaled to a global norm of at most ClipNorm, as
// torch.nn.utils.clip_grad_norm_ does. Nothing is updated unless finite holds.
func (o optimizer) draw(
	s *op.Scope, phase loop.Phase, params []*resnet.Param, grads, fed []tf.Output, norm, finite tf.Output,
) []*tf.Operation {
	clipAndGate := gradientGate(s.SubScope("clip"), norm, finite, o.hyper.ClipNorm)
	decayRate := gate(s.SubScope("decay"), fed[scalarDecay], finite)
	var updates []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name)
		factor := o.factor(phase, p.Name)
		g := clipAndGate(u, grads[i])
		if o.hyper.Optimizer == wire.SGD {
			updates = append(updates, o.drawSGD(u, p, g, times(u.SubScope("rate"), fed[scalarRate], factor)))
			continue
		}
		if o.decays(p) {
			// The control edge makes the decay come before the step, as in PyTorch.
			d := u.SubScope("decay")
			decay := op.Mul(d, p.Value, times(d.SubScope("rate"), decayRate, factor))
			u = u.WithControlDependencies(op.AssignSubVariableOp(u, p.Handle, decay))
		}
		rate := times(u.SubScope("rate"), fed[scalarRate], factor)
		updates = append(updates, o.drawAdam(u, p, g, rate, fed[scalarEpsilon]))
	}
	return updates
}

// decays reports whether weight decay applies to p: to kernels and matrices, not to scales, shifts and biases.
func (o optimizer) decays(p *resnet.Param) bool { return o.hyper.WeightDecay > 0 && len(p.Shape) > 1 }

// drawSGD draws the update of p by gradient g, whose weight decay is still to be added.
func (o optimizer) drawSGD(u *op.Scope, p *resnet.Param, g, rate tf.Output) *tf.Operation {
	if o.decays(p) {
		d := u.SubScope("decay")
		g = op.AddV2(d, g, op.Mul(d, p.Value, op.Const(d, float32(o.hyper.WeightDecay))))
	}
	momentum := op.Const(u.SubScope("momentum"), float32(o.hyper.Momentum))
	return op.ResourceApplyMomentum(u, p.Handle, o.slots[0][p].handle, rate, g, momentum)
}

// drawAdam draws the update of p by gradient g, without the weight decay.
func (o optimizer) drawAdam(u *op.Scope, p *resnet.Param, g, rate, epsilon tf.Output) *tf.Operation {
	noPower := op.Const(u.SubScope("zero"), float32(0)) // rate and epsilon already have the bias corrections
	beta1 := op.Const(u.SubScope("beta1"), float32(o.hyper.Beta1))
	beta2 := op.Const(u.SubScope("beta2"), float32(o.hyper.Beta2))
	return op.ResourceApplyAdam(u, p.Handle, o.slots[0][p].handle, o.slots[1][p].handle,
		noPower, noPower, rate, beta1, beta2, epsilon, g)
}

// factor returns a parameter's learning rate as a share of the head's. In the head phase it is 1 for all. In the main
// phase the last stage has BackboneFactor, each stage below has LayerDecay times the share of the stage above, and the
// stem (conv1 and bn1) counts as the lowest stage.
func (o optimizer) factor(phase loop.Phase, name string) float64 {
	if phase == loop.Head || strings.HasPrefix(name, "fc.") {
		return 1
	}
	below := 4 // how many stages this one is below the last; 4 for the stem
	if strings.HasPrefix(name, "layer") {
		below = int('4' - name[len("layer")])
	}
	return o.hyper.BackboneFactor * math.Pow(o.hyper.LayerDecay, float64(below))
}

// times draws x factor.
func times(s *op.Scope, x tf.Output, factor float64) tf.Output {
	if factor == 1 {
		return x
	}
	return op.Mul(s, x, op.Const(s, float32(factor)))
}

// gradientGate returns a function that draws what an update uses of a gradient: the gradient times
// min(1, clip / (norm + 1e-6)), or a dead tensor unless finite holds. With clipping, one gated factor serves all
// gradients. Without it there is no factor to multiply by, so each gradient has its own gate.
func gradientGate(s *op.Scope, norm, finite tf.Output, clip float64) func(*op.Scope, tf.Output) tf.Output {
	if clip == 0 {
		return func(s *op.Scope, g tf.Output) tf.Output { return gate(s, g, finite) }
	}
	padded := op.AddV2(s, norm, op.Const(s.SubScope("tiny"), float32(1e-6))) // PyTorch's, against a division by 0
	limit := op.RealDiv(s, op.Const(s.SubScope("limit"), float32(clip)), padded)
	factor := gate(s, op.Minimum(s, limit, op.Const(s.SubScope("one"), float32(1))), finite)
	return func(s *op.Scope, g tf.Output) tf.Output { return op.Mul(s, g, factor) }
}
