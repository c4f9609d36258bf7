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
// The last line equals p -= rate m / (sqrt(v) + epsHat) with rate = lr sqrt(1-b2^t) / (1-b1^t) and epsHat = eps sqrt(1-b2^t),
// which is what ResourceApplyAdam computes. Both numbers are worked out here in float64 and fed: in float32, 1-b2^t would
// lose four digits in the first steps.
//
// SGD with momentum (torch.optim.SGD):
//
//	g = g + wd p                                     for kernels and matrices
//	m = momentum m + g
//	p -= lr m
//
// which is ResourceApplyMomentum; the Keras one of that name has the learning rate inside m.

// What is fed each step, in this order.
const (
	rateStep    = iota // AdamW: lr sqrt(1-b2^t) / (1-b1^t); SGD: lr
	rateDecay          // AdamW: lr wd
	rateEpsilon        // AdamW: eps sqrt(1-b2^t)
	rateAverage        // share of the new weights in the averages
	rateScale          // float16: what the loss is multiplied by
	rateUnscale        // float16: what gradients are multiplied by then
	rateCount
)

func rates(h wire.Hyperparameters, p loop.StepParams) []float32 {
	fed := make([]float32, rateCount)
	fed[rateStep], fed[rateAverage] = p.LearningRate, p.Average
	fed[rateScale], fed[rateUnscale] = p.LossScale, 1/p.LossScale
	if h.Optimizer == wire.AdamW {
		b1, b2 := math.Pow(h.Beta1, float64(p.PhaseStep)), math.Pow(h.Beta2, float64(p.PhaseStep))
		root := math.Sqrt(1 - b2)
		lr := float64(p.LearningRate)
		fed[rateStep], fed[rateDecay], fed[rateEpsilon] = float32(lr*root/(1-b1)), float32(lr*h.WeightDecay), float32(h.Epsilon*root)
	}
	return fed
}

// slotNames are what the names of an optimizer's memory begin with; the weight's name follows.
var slotNames = map[string][]string{
	wire.AdamW: {"adamw.m/", "adamw.v/"},
	wire.SGD:   {"sgd.momentum/"},
}

// variable is a variable beside a parameter, of its shape: a slot, an average, an accumulator.
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
	slots []map[*resnet.Param]variable // in the order of slotNames
}

func newOptimizer(s *op.Scope, h wire.Hyperparameters, params []*resnet.Param) optimizer {
	o := optimizer{hyper: h}
	for _, prefix := range slotNames[h.Optimizer] {
		o.slots = append(o.slots, variablesBeside(s, prefix, trained(params)))
	}
	return o
}

func trained(params []*resnet.Param) []*resnet.Param {
	var some []*resnet.Param
	for _, p := range params {
		if p.Trained {
			some = append(some, p)
		}
	}
	return some
}

// draw draws one update, of each of params by its gradient. rate: the fed scalars. Gradients are scaled to a global norm of at most
// ClipNorm, as torch.nn.utils.clip_grad_norm_ does. Nothing happens unless finite holds.
func (o optimizer) draw(s *op.Scope, phase loop.Phase, params []*resnet.Param, grads, rate []tf.Output, norm, finite tf.Output) []*tf.Operation {
	pass := gradientGate(s.SubScope("clip"), norm, finite, o.hyper.ClipNorm)
	gated := gate(s.SubScope("decay"), rate[rateDecay], finite)
	var updates []*tf.Operation
	for i, p := range params {
		u := s.SubScope(p.Name)
		factor := o.factor(phase, p.Name)
		g := pass(u, grads[i])
		decays := o.hyper.WeightDecay > 0 && len(p.Shape) > 1
		if o.hyper.Optimizer == wire.SGD {
			if decays {
				g = op.AddV2(u.SubScope("decay"), g, op.Mul(u.SubScope("decay"), p.Value, op.Const(u.SubScope("decay"), float32(o.hyper.WeightDecay))))
			}
			updates = append(updates, op.ResourceApplyMomentum(u, p.Handle, o.slots[0][p].handle, times(u.SubScope("rate"), rate[rateStep], factor), g,
				op.Const(u.SubScope("momentum"), float32(o.hyper.Momentum))))
			continue
		}
		if decays {
			// The decay comes before the step, so the step waits for it.
			d := u.SubScope("decay")
			decayed := op.AssignSubVariableOp(u, p.Handle, op.Mul(d, p.Value, times(d.SubScope("rate"), gated, factor)))
			u = u.WithControlDependencies(decayed)
		}
		zero := op.Const(u.SubScope("zero"), float32(0)) // of beta's powers: the corrections are in the fed rate
		updates = append(updates, op.ResourceApplyAdam(u, p.Handle, o.slots[0][p].handle, o.slots[1][p].handle,
			zero, zero, times(u.SubScope("rate"), rate[rateStep], factor),
			op.Const(u.SubScope("beta1"), float32(o.hyper.Beta1)), op.Const(u.SubScope("beta2"), float32(o.hyper.Beta2)), rate[rateEpsilon], g))
	}
	return updates
}

// factor is a parameter's learning rate as a share of the head's.
func (o optimizer) factor(phase loop.Phase, name string) float64 {
	if phase == loop.Head || strings.HasPrefix(name, "fc.") {
		return 1
	}
	below := 4 // stages between the head's neighbour and this one; the stem is below all
	if strings.HasPrefix(name, "layer") {
		below = int('4' - name[len("layer")])
	}
	return o.hyper.BackboneFactor * math.Pow(o.hyper.LayerDecay, float64(below))
}

func times(s *op.Scope, x tf.Output, factor float64) tf.Output {
	if factor == 1 {
		return x
	}
	return op.Mul(s, x, op.Const(s, float32(factor)))
}

// gradientGate returns how a gradient reaches its update: not at all unless finite, and scaled by min(1, clip / (norm + 1e-6)).
// One gated factor serves both; without clipping there is no factor to multiply by, so each gradient passes a gate of its own.
func gradientGate(s *op.Scope, norm, finite tf.Output, clip float64) func(*op.Scope, tf.Output) tf.Output {
	if clip == 0 {
		return func(s *op.Scope, g tf.Output) tf.Output { return gate(s, g, finite) }
	}
	limit := op.RealDiv(s, op.Const(s.SubScope("limit"), float32(clip)), op.AddV2(s, norm, op.Const(s.SubScope("tiny"), float32(1e-6))))
	factor := gate(s, op.Minimum(s, limit, op.Const(s.SubScope("one"), float32(1))), finite)
	return func(s *op.Scope, g tf.Output) tf.Output { return op.Mul(s, g, factor) }
}
