package resnet

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/wire"
)

const (
	// Epsilon is what batch normalisation adds to a variance in PyTorch. TensorFlow's default is 1e-4.
	Epsilon = 1e-5
	// PoolPadding is how the max-pool's input is padded: one pixel on each side.
	PoolPadding = "symmetric"
	// Classes is the number of logits of an inspection: logit 0 is normal, logit 1 is defect.
	Classes = 2
)

// Architecture describes the network that weights fit into. Every manifest has one, so that weights are never put into
// another network.
type Architecture struct {
	Depth   int     // one of wire.Depths
	Block   string  // wire.BlockV1 or wire.BlockV15; the same for basic blocks (18, 34)
	Epsilon float64 // batch normalisation's
	Classes int     // the number of logits
}

// Of returns torchvision's network of this depth, with the two logits of an inspection.
func Of(depth int) Architecture {
	return Architecture{Depth: depth, Block: wire.BlockV15, Epsilon: Epsilon, Classes: Classes}
}

func (a Architecture) validate() error {
	if _, ok := wire.StagesOf(a.Depth); !ok {
		return fmt.Errorf("depth %d is not one of %v", a.Depth, wire.Depths)
	}
	if a.Block != wire.BlockV1 && a.Block != wire.BlockV15 {
		return fmt.Errorf("block %q is neither %s nor %s", a.Block, wire.BlockV1, wire.BlockV15)
	}
	if !(a.Epsilon > 0 && a.Epsilon < 1) {
		return fmt.Errorf("batch normalisation's epsilon %v is outside 0..1", a.Epsilon)
	}
	if a.Classes < 2 {
		return fmt.Errorf("%d classes are fewer than 2", a.Classes)
	}
	return nil
}

// Mode says where batch normalisation takes its mean and variance from.
type Mode bool

// The modes of a forward pass.
const (
	Inference Mode = false // from the running statistics
	Training  Mode = true  // from the batch
)

// Input describes the images that a network is fed: [N,S,S,C] uint8. The graph normalises them to (x - Mean) / Std for
// each channel.
type Input struct {
	Channels  int
	Mean, Std []float64 // [Channels], on the scale 0 to 255
}

// Net is one network: its parameters, and every forward pass that was drawn over them.
type Net struct {
	Params []*Param // in torchvision's order; empty until the first Forward declares them

	arch   Architecture
	input  Input
	scope  *op.Scope // where the variables are drawn
	byName map[string]*Param
}

// New returns a network whose variables will be drawn below scope. It draws nothing yet. It refuses an architecture
// that it does not know and an input that cannot be normalised.
func New(scope *op.Scope, arch Architecture, input Input) (*Net, error) {
	if err := arch.validate(); err != nil {
		return nil, err
	}
	if input.Channels < 1 || len(input.Mean) != input.Channels || len(input.Std) != input.Channels {
		return nil, fmt.Errorf("input has %d channels, %d means and %d deviations",
			input.Channels, len(input.Mean), len(input.Std))
	}
	for c, std := range input.Std {
		if !(std > 0) { // also refuses NaN
			return nil, fmt.Errorf("the deviation of channel %d is %v; it must be above 0", c, std)
		}
	}
	return &Net{arch: arch, input: input, scope: scope, byName: map[string]*Param{}}, nil
}

// Normalise draws (x - mean) / std for each channel. images: [N,S,S,C] uint8 -> [N,S,S,C] float32
func (n *Net) Normalise(scope *op.Scope, images tf.Output) tf.Output {
	s := scope.SubScope("input")
	x := op.Cast(s, images, tf.Float)
	x = op.Sub(s, x, op.Const(s.SubScope("mean"), floats(n.input.Mean)))
	return op.RealDiv(s, x, op.Const(s.SubScope("std"), floats(n.input.Std)))
}

// Options are the options of one forward pass.
type Options struct {
	Mode    Mode
	Values  func(*Param) tf.Output // returns the value to compute with; nil: the variable's present value
	Compute tf.DataType            // of convolutions and activations; 0: float32
}

// Pass is a forward pass that was drawn.
type Pass struct {
	Stages   [4]tf.Output // the output of each stage: [N,S/4,S/4,F], [N,S/8,S/8,2F], ... [N,S/32,S/32,8F]
	Logits   tf.Output    // [N,Classes] float32
	Measured []Measured   // of every batch normalisation, in Training mode; nil in Inference mode
}

// Forward draws one pass below scope. x: [N,S,S,C] float32, normalised. An error stays in the scope: see scope.Err.
func (n *Net) Forward(scope *op.Scope, x tf.Output, o Options) Pass {
	b := &builder{net: n, scope: scope, options: o}
	stages, _ := wire.StagesOf(n.arch.Depth) // New has refused other depths
	block := basic
	if stages.Bottleneck {
		block = bottleneck
	}
	var pass Pass

	x = b.compute(scope.SubScope("image"), x)
	// Stem: [N,S,S,C] -> [N,S/2,S/2,64] -> [N,S/4,S/4,64]
	x = b.conv("conv1", x, n.input.Channels, 64, 7, 2)
	x = b.relu("relu", b.batchNorm("bn1", x, 64, one))
	x = b.maxPool("maxpool", x)
	// Stages: each but the first halves the side and doubles the width. [N,S/4,S/4,64] -> [N,S/32,S/32,512*expansion]
	in := 64
	for stage, blocks := range stages.Blocks {
		width := 64 << stage
		for i := range blocks {
			stride := 1
			if i == 0 && stage > 0 {
				stride = 2
			}
			name := fmt.Sprintf("layer%d.%d", stage+1, i)
			x = block(b, name, x, in, width, stride)
			in = width * stages.Expansion()
		}
		pass.Stages[stage] = x
	}
	// Head, always in float32, also if the stages compute in half precision: [N,S/32,S/32,F] -> [N,F] -> [N,Classes]
	if o.Compute != 0 && o.Compute != tf.Float {
		x = op.Cast(scope.SubScope("features"), x, tf.Float)
	}
	x = b.mean("avgpool", x)
	pass.Logits, pass.Measured = b.linear("fc", x, in, n.arch.Classes), b.measured
	return pass
}

// Score draws logit 1 minus logit 0, by which samples are ranked. It is also the logit of the probability of a defect:
// softmax over two logits is the sigmoid of their difference. logits: [N,2] -> [N]
func Score(scope *op.Scope, logits tf.Output) tf.Output {
	l := op.Unpack(scope, logits, Classes, op.UnpackAxis(1))
	if scope.Err() != nil {
		return tf.Output{} // after an error Unpack returns no outputs to index
	}
	return op.Sub(scope, l[1], l[0])
}

// A block is one residual unit, relu(f(x) + shortcut(x)). It has in channels of input and width*expansion of output,
// and divides the side by stride.

// basic draws the block of depths 18 and 34: convolutions 3x3, 3x3. x: [N,H,W,in] -> [N,H/stride,W/stride,width]
func basic(b *builder, name string, x tf.Output, in, width, stride int) tf.Output {
	y := b.conv(name+".conv1", x, in, width, 3, stride)
	y = b.relu(name+".relu1", b.batchNorm(name+".bn1", y, width, one))
	y = b.conv(name+".conv2", y, width, width, 3, 1)
	y = b.batchNorm(name+".bn2", y, width, zero)
	return b.relu(name+".relu", b.add(name+".add", y, b.shortcut(name, x, in, width, stride)))
}

// bottleneck draws the block of the deeper networks: convolutions 1x1, 3x3, 1x1. The stride is on the first of them in
// wire.BlockV1, and on the second in wire.BlockV15. x: [N,H,W,in] -> [N,H/stride,W/stride,4*width]
func bottleneck(b *builder, name string, x tf.Output, in, width, stride int) tf.Output {
	out := 4 * width
	first, second := 1, stride
	if b.net.arch.Block == wire.BlockV1 {
		first, second = stride, 1
	}
	y := b.conv(name+".conv1", x, in, width, 1, first)
	y = b.relu(name+".relu1", b.batchNorm(name+".bn1", y, width, one))
	y = b.conv(name+".conv2", y, width, width, 3, second)
	y = b.relu(name+".relu2", b.batchNorm(name+".bn2", y, width, one))
	y = b.conv(name+".conv3", y, width, out, 1, 1)
	y = b.batchNorm(name+".bn3", y, out, zero)
	return b.relu(name+".relu", b.add(name+".add", y, b.shortcut(name, x, in, out, stride)))
}

// shortcut draws the identity where input and output of the block have the same shape, and elsewhere a strided 1x1
// convolution with batch normalisation. x: [N,H,W,in] -> [N,H/stride,W/stride,out]
func (b *builder) shortcut(name string, x tf.Output, in, out, stride int) tf.Output {
	if in == out && stride == 1 {
		return x
	}
	y := b.conv(name+".downsample.0", x, in, out, 1, stride)
	return b.batchNorm(name+".downsample.1", y, out, one)
}
