package wire

import (
	"maps"
	"slices"
)

// Kinds of a bottleneck block, by which convolution has the stride. Weights of one kind load into a network of the
// other without an error, and then predict wrongly.
const (
	BlockV1  = "v1"   // the first 1x1 convolution, as in the paper and in Keras
	BlockV15 = "v1.5" // the 3x3 convolution, as in torchvision
)

// Depths are the ResNet depths that can be trained, in ascending order.
var Depths = slices.Sorted(maps.Keys(stages))

// Stages describes the residual blocks of one depth.
type Stages struct {
	Bottleneck bool   // true: a block has 1x1, 3x3 and 1x1 convolutions; false: two 3x3 convolutions
	Blocks     [4]int // number of blocks in each of the four stages
}

// Expansion returns the number of channels of a block's output, divided by that of the convolutions inside the block.
func (s Stages) Expansion() int {
	if s.Bottleneck {
		return 4
	}
	return 1
}

// stages is the only table of the blocks of each depth.
// Source: He et al., "Deep Residual Learning for Image Recognition", table 1.
var stages = map[int]Stages{
	18:  {Bottleneck: false, Blocks: [4]int{2, 2, 2, 2}},
	34:  {Bottleneck: false, Blocks: [4]int{3, 4, 6, 3}},
	50:  {Bottleneck: true, Blocks: [4]int{3, 4, 6, 3}},
	101: {Bottleneck: true, Blocks: [4]int{3, 4, 23, 3}},
	152: {Bottleneck: true, Blocks: [4]int{3, 8, 36, 3}},
}

// StagesOf returns the stages of a depth. ok is false if the depth is not one of Depths.
func StagesOf(depth int) (s Stages, ok bool) {
	s, ok = stages[depth]
	return s, ok
}
