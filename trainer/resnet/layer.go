package resnet

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// builder draws the layers of one forward pass. It draws each layer in a scope with the layer's name: operations of one
// kind in one scope would get the same name, which TensorFlow refuses.
type builder struct {
	net      *Net
	scope    *op.Scope
	options  Options
	measured []Measured
}

// value returns the value of a parameter that this pass computes with.
func (b *builder) value(p *Param) tf.Output {
	if b.options.Values != nil {
		return b.options.Values(p)
	}
	return p.Value
}

// compute casts a tensor to the type that convolutions compute in.
func (b *builder) compute(s *op.Scope, x tf.Output) tf.Output {
	if b.options.Compute == 0 || b.options.Compute == tf.Float {
		return x
	}
	return op.Cast(s.SubScope("cast"), x, b.options.Compute)
}

// Measured is the mean and variance that one batch normalisation computed from a training batch, with the running
// statistics that follow them. Forward does not move the running statistics: session draws that update.
type Measured struct {
	RunningMean, RunningVar *Param
	BatchMean, BatchVar     tf.Output // [C]; the variance is the unbiased one, which PyTorch averages too
}

// conv draws a k x k convolution without a bias. x: [N,H,W,in] -> [N,H/stride,W/stride,out]
//
// It pads k/2 pixels on every side, as PyTorch does. TensorFlow's SAME means the same only at stride 1: at stride 2 it
// pads more at the right and at the bottom. There the padding is a Pad operation before a VALID convolution, because
// the C++ gradient of Conv2D loses the attribute explicit_paddings.
func (b *builder) conv(name string, x tf.Output, in, out, k, stride int) tf.Output {
	s := b.scope.SubScope(name)
	w := b.compute(s, b.value(b.net.weight(name+".weight", []int{out, in, k, k}, heNormal)))
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

// batchNorm draws y = scale (x - mean) / sqrt(var + epsilon) + shift for each channel. x: [N,H,W,C] -> [N,H,W,C]
//
// In Training mode mean and variance are the batch's, and b.measured receives them. scale, shift and the statistics are
// float32 even where x is of half precision.
func (b *builder) batchNorm(name string, x tf.Output, channels int, scale initialiser) tf.Output {
	s := b.scope.SubScope(name)
	c := []int{channels}
	weight := b.value(b.net.weight(name+".weight", c, scale))
	bias := b.value(b.net.weight(name+".bias", c, zero))
	mean := b.net.statistic(name+".running_mean", c, zero)
	variance := b.net.statistic(name+".running_var", c, one)
	epsilon := op.FusedBatchNormV3Epsilon(float32(b.net.arch.Epsilon))

	if b.options.Mode == Inference {
		y, _, _, _, _, _ := op.FusedBatchNormV3(s, x, weight, bias, b.value(mean), b.value(variance),
			epsilon, op.FusedBatchNormV3IsTraining(false))
		return y
	}
	empty := op.Const(s, []float32{}) // in training the operation wants empty inputs for mean and variance
	y, m, v, _, _, _ := op.FusedBatchNormV3(s, x, weight, bias, empty, empty,
		epsilon, op.FusedBatchNormV3IsTraining(true))
	b.measured = append(b.measured, Measured{RunningMean: mean, RunningVar: variance, BatchMean: m, BatchVar: v})
	return y
}

// maxPool draws a 3x3 maximum at stride 2 with one pixel of padding. x: [N,H,W,C] -> [N,H/2,W/2,C]
// PyTorch pads with minus infinity. Zeros give the same result here, because x comes out of a ReLU.
func (b *builder) maxPool(name string, x tf.Output) tf.Output {
	s := b.scope.SubScope(name)
	return op.MaxPool(s, pad(s, x, 1), []int64{1, 3, 3, 1}, []int64{1, 2, 2, 1}, "VALID")
}

// linear draws x w^T + bias. x: [N,in] -> [N,out]. The weight has PyTorch's shape, [out,in], in TensorFlow too.
func (b *builder) linear(name string, x tf.Output, in, out int) tf.Output {
	s := b.scope.SubScope(name)
	w := b.value(b.net.weight(name+".weight", []int{out, in}, uniform(in)))
	bias := b.value(b.net.weight(name+".bias", []int{out}, uniform(in)))
	return op.BiasAdd(s, op.MatMul(s, x, w, op.MatMulTransposeB(true)), bias)
}

func (b *builder) relu(name string, x tf.Output) tf.Output {
	return op.Relu(b.scope.SubScope(name), x)
}

func (b *builder) add(name string, x, y tf.Output) tf.Output {
	return op.AddV2(b.scope.SubScope(name), x, y)
}

// mean draws the mean over height and width. x: [N,H,W,F] -> [N,F]
func (b *builder) mean(name string, x tf.Output) tf.Output {
	s := b.scope.SubScope(name)
	return op.Mean(s, x, op.Const(s, []int32{1, 2}))
}

// pad draws p pixels of zeros on each side. x: [N,H,W,C] -> [N,H+2p,W+2p,C]
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
