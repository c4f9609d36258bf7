package resnet

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// What an architecture is, beside its depth. A manifest carries these, so that weights are never put into another network.
const (
	Block       = "v1.5"      // a bottleneck's stride is on its 3x3 convolution
	Epsilon     = 1e-5        // batch normalisation's, as in PyTorch; TensorFlow's own default is 1e-4
	PoolPadding = "symmetric" // one pixel on each side of the max-pool's input
	Classes     = 2           // logits: 0 normal, 1 defect
)

// Mode says where batch normalisation takes its mean and variance from.
type Mode bool

const (
	Inference Mode = false // the running statistics
	Training  Mode = true  // the batch
)

// Input is what a network is fed: [N,S,S,C] uint8, normalised in the graph to (x - Mean) / Std per channel.
type Input struct {
	Channels  int
	Mean, Std []float64 // [Channels], on the 0-255 scale
}

// Net is one network: its parameters, and every forward pass that was drawn over them.
type Net struct {
	Params []*Param // in torchvision's order, once the first Forward has declared them

	depth  int
	input  Input
	scope  *op.Scope // where the variables live
	byName map[string]*Param
}

// New prepares a network below scope. It refuses a depth that is not in the table and an input that cannot be normalised.
func New(scope *op.Scope, depth int, input Input) (*Net, error) {
	if _, ok := depths[depth]; !ok {
		return nil, fmt.Errorf("depth %d is not one of 18, 34, 50, 101, 152", depth)
	}
	if input.Channels < 1 || len(input.Mean) != input.Channels || len(input.Std) != input.Channels {
		return nil, fmt.Errorf("input has %d channels, %d means and %d deviations", input.Channels, len(input.Mean), len(input.Std))
	}
	for c, std := range input.Std {
		if !(std > 0) { // also refuses NaN
			return nil, fmt.Errorf("the deviation of channel %d is %v; it must be above 0", c, std)
		}
	}
	return &Net{depth: depth, input: input, scope: scope, byName: map[string]*Param{}}, nil
}

// Forward draws one pass below scope. images: [N,S,S,C] uint8 -> logits: [N,2]. In Training it also returns what the batch
// measured, by which the running statistics are to be moved. Errors are the scope's.
func (n *Net) Forward(scope *op.Scope, images tf.Output, mode Mode) (logits tf.Output, measured []Measured) {
	b := &builder{net: n, scope: scope, mode: mode}
	arch := depths[n.depth]

	x := b.normalise(images) // [N,S,S,C] float
	// Stem: [N,S,S,C] -> [N,S/2,S/2,64] -> [N,S/4,S/4,64]
	x = b.conv("conv1", x, n.input.Channels, 64, 7, 2)
	x = b.relu("relu", b.batchNorm("bn1", x, 64, one))
	x = b.maxPool("maxpool", x)
	// Stages: each halves the side (but the first) and doubles the width. -> [N,S/32,S/32,512*expansion]
	in := 64
	for stage, blocks := range arch.blocks {
		width := 64 << stage
		for i := range blocks {
			stride := 1
			if i == 0 && stage > 0 {
				stride = 2
			}
			name := fmt.Sprintf("layer%d.%d", stage+1, i)
			x = arch.block.draw(b, name, x, in, width, stride)
			in = width * arch.block.expansion
		}
	}
	// Head: [N,h,w,F] -> [N,F] -> [N,2]
	x = b.mean("avgpool", x)
	return b.linear("fc", x, in, Classes), b.measured
}

// Score draws l1 - l0, by which samples are ranked. logits: [N,2] -> [N]
func Score(scope *op.Scope, logits tf.Output) tf.Output {
	l := op.Unpack(scope, logits, Classes, op.UnpackAxis(1))
	if scope.Err() != nil {
		return tf.Output{}
	}
	return op.Sub(scope, l[1], l[0])
}

// block is one residual unit: in channels come in, width*expansion go out, the side is divided by stride.
type block struct {
	expansion int
	draw      func(b *builder, name string, x tf.Output, in, width, stride int) tf.Output
}

// basic: 3x3, 3x3. x: [N,H,W,in] -> [N,H/stride,W/stride,width]
func basic(b *builder, name string, x tf.Output, in, width, stride int) tf.Output {
	y := b.conv(name+".conv1", x, in, width, 3, stride)
	y = b.relu(name+".relu1", b.batchNorm(name+".bn1", y, width, one))
	y = b.conv(name+".conv2", y, width, width, 3, 1)
	y = b.batchNorm(name+".bn2", y, width, zero)
	return b.relu(name+".relu", b.add(name+".add", y, b.shortcut(name, x, in, width, stride)))
}

// bottleneck: 1x1, 3x3 with the stride, 1x1. x: [N,H,W,in] -> [N,H/stride,W/stride,4*width]
func bottleneck(b *builder, name string, x tf.Output, in, width, stride int) tf.Output {
	out := 4 * width
	y := b.conv(name+".conv1", x, in, width, 1, 1)
	y = b.relu(name+".relu1", b.batchNorm(name+".bn1", y, width, one))
	y = b.conv(name+".conv2", y, width, width, 3, stride)
	y = b.relu(name+".relu2", b.batchNorm(name+".bn2", y, width, one))
	y = b.conv(name+".conv3", y, width, out, 1, 1)
	y = b.batchNorm(name+".bn3", y, out, zero)
	return b.relu(name+".relu", b.add(name+".add", y, b.shortcut(name, x, in, out, stride)))
}

// shortcut is the identity where the shapes agree, a strided 1x1 convolution where they do not.
func (b *builder) shortcut(name string, x tf.Output, in, out, stride int) tf.Output {
	if in == out && stride == 1 {
		return x
	}
	y := b.conv(name+".downsample.0", x, in, out, 1, stride)
	return b.batchNorm(name+".downsample.1", y, out, one)
}

// depths: how many blocks of which kind each depth has in its four stages.
var depths = map[int]struct {
	block  block
	blocks [4]int
}{
	18:  {block{1, basic}, [4]int{2, 2, 2, 2}},
	34:  {block{1, basic}, [4]int{3, 4, 6, 3}},
	50:  {block{4, bottleneck}, [4]int{3, 4, 6, 3}},
	101: {block{4, bottleneck}, [4]int{3, 4, 23, 3}},
	152: {block{4, bottleneck}, [4]int{3, 8, 36, 3}},
}
