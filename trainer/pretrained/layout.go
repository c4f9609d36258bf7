package pretrained

import "fmt"

// Where a bottleneck has its stride, as package resnet has it: in the paper's networks and Keras' on the first 1x1 convolution, in
// torchvision's on the 3x3.
const (
	BlockV1  = "v1"
	BlockV15 = "v1.5"
)

// depths: how many blocks each depth has in its four stages, and how much wider than its middle a block ends. Package resnet draws the
// same networks; a test there holds the two together.
var depths = map[int]struct {
	expansion int
	blocks    [4]int
}{
	18:  {1, [4]int{2, 2, 2, 2}},
	34:  {1, [4]int{3, 4, 6, 3}},
	50:  {4, [4]int{3, 4, 6, 3}},
	101: {4, [4]int{3, 4, 23, 3}},
	152: {4, [4]int{3, 8, 36, 3}},
}

const (
	inputKernel = "conv1.weight" // [64,3,7,7]: what Mix adapts
	headWeight  = "fc.weight"    // [classes, features]
	headBias    = "fc.bias"      // [classes]
)

// Backbone is torchvision's network of this depth for colour photographs, the head apart: the shape of every tensor by its name.
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
	for stage, blocks := range depths[depth].blocks {
		width, out := 64<<stage, (64<<stage)*depths[depth].expansion
		for i := range blocks {
			name := fmt.Sprintf("layer%d.%d", stage+1, i)
			if depths[depth].expansion == 1 { // 3x3, 3x3
				conv(name+".conv1", width, in, 3)
				conv(name+".conv2", width, width, 3)
			} else { // 1x1, 3x3, 1x1
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

// features come out of the last stage.
func features(depth int) int { return 512 * depths[depth].expansion }
