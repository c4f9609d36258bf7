package session

import (
	"math"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/resnet"
)

// AdamW as PyTorch has it (torch.optim.AdamW, after Loshchilov and Hutter, "Decoupled Weight Decay Regularization"):
//
//	p -= lr wd p                                     for kernels and matrices
//	m  = b1 m + (1-b1) g
//	v  = b2 v + (1-b2) g^2
//	p -= lr / (1-b1^t) m / (sqrt(v / (1-b2^t)) + eps)
//
// The last line equals p -= rate m / (sqrt(v) + epsHat) with rate = lr sqrt(1-b2^t) / (1-b1^t) and epsHat = eps sqrt(1-b2^t),
// which is what ResourceApplyAdam computes. Both numbers are worked out here in float64 and fed: in float32, 1-b2^t would
// lose four digits in the first steps.

// What is fed each step, in this order.
const (
	rateDecay = iota // lr wd
	rateAdam         // lr sqrt(1-b2^t) / (1-b1^t)
	rateEpsilon
	rateCount
)

func adamWRates(c Config, lr float32, step int64) []float32 {
	b1, b2 := math.Pow(c.Beta1, float64(step)), math.Pow(c.Beta2, float64(step))
	root := math.Sqrt(1 - b2)
	return []float32{
		rateDecay:   float32(float64(lr) * c.WeightDecay),
		rateAdam:    float32(float64(lr) * root / (1 - b1)),
		rateEpsilon: float32(c.Epsilon * root),
	}
}

// slots are the optimizer's memory: m and v of every trained parameter, in TensorFlow's layout.
type slots struct {
	trained []*resnet.Param
	m, v    []slot
}

type slot struct{ handle, value tf.Output }

func newSlots(s *op.Scope, params []*resnet.Param) *slots {
	o := &slots{}
	for _, p := range params {
		if !p.Trained {
			continue
		}
		o.trained = append(o.trained, p)
		var m, v slot
		m.handle, m.value = resnet.Variable(s, slotM+p.Name, p.Dims())
		v.handle, v.value = resnet.Variable(s, slotV+p.Name, p.Dims())
		o.m, o.v = append(o.m, m), append(o.v, v)
	}
	return o
}

// drawAdamW draws the update of every trained parameter. Gradients are scaled to a global norm of at most ClipNorm, as
// torch.nn.utils.clip_grad_norm_ does.
func (o *slots) drawAdamW(s *op.Scope, grads []tf.Output, rates, norm, finite tf.Output, c Config) []*tf.Operation {
	rate := op.Unpack(s, rates, rateCount)
	if s.Err() != nil {
		return nil
	}
	decay := gate(s.SubScope("decay"), rate[rateDecay], finite)
	pass := gradientGate(s.SubScope("clip"), norm, finite, c.ClipNorm)
	zero := op.Const(s.SubScope("zero"), float32(0)) // of beta's powers: the corrections are in the fed rate
	beta1 := op.Const(s.SubScope("beta1"), float32(c.Beta1))
	beta2 := op.Const(s.SubScope("beta2"), float32(c.Beta2))

	var updates []*tf.Operation
	for i, p := range o.trained {
		u := s.SubScope(p.Name)
		g := pass(u, grads[i])
		if c.WeightDecay > 0 && len(p.Shape) > 1 {
			// The decay comes before the step, so the step waits for it.
			decayed := op.AssignSubVariableOp(u, p.Handle, op.Mul(u.SubScope("decay"), p.Value, decay))
			u = u.WithControlDependencies(decayed)
		}
		updates = append(updates, op.ResourceApplyAdam(u, p.Handle, o.m[i].handle, o.v[i].handle,
			zero, zero, rate[rateAdam], beta1, beta2, rate[rateEpsilon], g))
	}
	return updates
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
