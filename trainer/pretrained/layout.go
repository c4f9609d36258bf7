package pretrained

import (
	"fmt"

	"plumbline.dev/plumbline/wire"
)

// Names of tensors that are treated differently from the others.
const (
	inputKernel = "conv1.weight" // [64,3,7,7]; a Mix adapts it
	headWeight  = "fc.weight"    // [classes, features]
	headBias    = "fc.bias"      // [classes]
)

// Backbone returns the shape of every tensor of torchvision's network of this depth by name, without the head. The
// network takes the three colours of a photograph. depth is one of wire.Depths.
func Backbone(depth int) map[string][]int {
	shapes := map[string][]int{}
	conv := func(name string, out, in, k int) { shapes[name+".weight"] = []int{out, in, k, k} }
	norm := func(name string, channels int) {
		for _, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			shapes[name+"."+part] = []int{channels}
		}
	}
	conv("conv1", 64, 3, 7)
	norm("bn1", 64)
	in := 64
	stages, _ := wire.StagesOf(depth)
	for stage, blocks := range stages.Blocks {
		width, out := 64<<stage, (64<<stage)*stages.Expansion()
		for i := range blocks {
			name := fmt.Sprintf("layer%d.%d", stage+1, i)
			if !stages.Bottleneck { // convolutions 3x3, 3x3
				conv(name+".conv1", width, in, 3)
				conv(name+".conv2", width, width, 3)
			} else { // convolutions 1x1, 3x3, 1x1
				conv(name+".conv1", width, in, 1)
				conv(name+".conv2", width, width, 3)
				conv(name+".conv3", out, width, 1)
				norm(name+".bn3", out)
			}
			norm(name+".bn1", width)
			norm(name+".bn2", width)
			if i == 0 && (in != out || stage > 0) {
				conv(name+".downsample.0", out, in, 1)
				norm(name+".downsample.1", out)
			}
			in = out
		}
	}
	return shapes
}

// features returns how many features the last stage of this depth has, which are the inputs of the head.
func features(depth int) int {
	stages, _ := wire.StagesOf(depth)
	return 512 * stages.Expansion()
}
