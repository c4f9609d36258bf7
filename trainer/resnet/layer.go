package resnet

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// builder draws the layers of one forward pass. Each layer draws in a scope of its own name, because two operations of one
// kind in one scope would collide.
type builder struct {
	net      *Net
	scope    *op.Scope
	options  Options
	measured []Measured
}

// value is what the pass uses of a parameter.
func (b *builder) value(p *Param) tf.Output {
	if b.options.Values != nil {
		return b.options.Values(p)
	}
	return p.Value
}

// compute brings a tensor to the precision of convolutions.
func (b *builder) compute(s *op.Scope, x tf.Output) tf.Output {
	if b.options.Compute == 0 || b.options.Compute == tf.Float {
		return x
	}
	return op.Cast(s.SubScope("cast"), x, b.options.Compute)
}

// Measured is what one batch normalisation saw of a training batch, beside the running statistics that follow it.
type Measured struct {
	RunningMean, RunningVar *Param
	BatchMean, BatchVar     tf.Output // [C]; the variance is the unbiased one, which is what PyTorch averages
}

// conv pads as PyTorch does, k/2 on every side. Only at stride 1 is that TensorFlow's SAME. Padding is an operation of its
// own because the C++ gradient of Conv2D loses explicit paddings.
func (b *builder) conv(name string, x tf.Output, in, out, k, stride int) tf.Output {
	s := b.scope.SubScope(name)
	w := b.compute(s, b.value(b.net.param(name+".weight", []int{out, in, k, k}, heNormal)))
	padding := "VALID"
	switch {
	case k > 1 && stride == 1:
		padding = "SAME"
	case k > 1:
		x = pad(s, x, k/2)
	}
	st := int64(stride)
	return op.Conv2D(s, x, w, []int64{1, st, st, 1}, padding)
}

// batchNorm: y = scale (x - mean) / sqrt(var + epsilon) + shift, per channel.
func (b *builder) batchNorm(name string, x tf.Output, channels int, scale initial) tf.Output {
	s := b.scope.SubScope(name)
	c := []int{channels}
	weight := b.value(b.net.param(name+".weight", c, scale))
	bias := b.value(b.net.param(name+".bias", c, zero))
	mean := b.net.statistic(name+".running_mean", c, zero)
	variance := b.net.statistic(name+".running_var", c, one)
	epsilon := op.FusedBatchNormV3Epsilon(float32(b.net.arch.Epsilon))

	if b.options.Mode == Inference {
		y, _, _, _, _, _ := op.FusedBatchNormV3(s, x, weight, bias, b.value(mean), b.value(variance),
			epsilon, op.FusedBatchNormV3IsTraining(false))
		return y
	}
	unused := op.Const(s, []float32{})
	y, m, v, _, _, _ := op.FusedBatchNormV3(s, x, weight, bias, unused, unused,
		epsilon, op.FusedBatchNormV3IsTraining(true))
	b.measured = append(b.measured, Measured{RunningMean: mean, RunningVar: variance, BatchMean: m, BatchVar: v})
	return y
}

// maxPool: 3x3, stride 2, one pixel of padding. Padding with zeros is exact because the input comes out of a ReLU.
func (b *builder) maxPool(name string, x tf.Output) tf.Output {
	s := b.scope.SubScope(name)
	return op.MaxPool(s, pad(s, x, 1), []int64{1, 3, 3, 1}, []int64{1, 2, 2, 1}, "VALID")
}

// linear: [N,in] -> [N,out]. The weight stays as PyTorch keeps it, [out,in].
func (b *builder) linear(name string, x tf.Output, in, out int) tf.Output {
	s := b.scope.SubScope(name)
	w := b.value(b.net.param(name+".weight", []int{out, in}, uniform(in)))
	bias := b.value(b.net.param(name+".bias", []int{out}, uniform(in)))
	return op.BiasAdd(s, op.MatMul(s, x, w, op.MatMulTransposeB(true)), bias)
}

func (b *builder) relu(name string, x tf.Output) tf.Output {
	return op.Relu(b.scope.SubScope(name), x)
}

func (b *builder) add(name string, x, y tf.Output) tf.Output {
	return op.AddV2(b.scope.SubScope(name), x, y)
}

// mean over height and width: [N,H,W,F] -> [N,F]
func (b *builder) mean(name string, x tf.Output) tf.Output {
	s := b.scope.SubScope(name)
	return op.Mean(s, x, op.Const(s, []int32{1, 2}))
}

func pad(s *op.Scope, x tf.Output, p int) tf.Output {
	n := int32(p)
	return op.Pad(s, x, op.Const(s.SubScope("paddings"), [][]int32{{0, 0}, {n, n}, {n, n}, {0, 0}}))
}

func floats(xs []float64) []float32 {
	out := make([]float32, len(xs))
	for i, x := range xs {
		out[i] = float32(x)
	}
	return out
}
