package wire

import (
	"maps"
	"slices"
)

// Where a bottleneck has its stride. Weights that were trained with one fit the other, and predict wrongly.
const (
	BlockV1  = "v1"   // on the first 1x1 convolution, as in the paper and in Keras
	BlockV15 = "v1.5" // on the 3x3 convolution, as in torchvision
)

// Depths are the ResNet depths that can be trained, in ascending order.
var Depths = slices.Sorted(maps.Keys(stages))

// Stages describes the residual blocks of one depth.
type Stages struct {
	Bottleneck bool   // a block is 1x1, 3x3, 1x1 convolutions; otherwise it is 3x3, 3x3
	Blocks     [4]int // in each of the four stages
}

// Expansion is how many times wider than its middle a block ends.
func (s Stages) Expansion() int {
	if s.Bottleneck {
		return 4
	}
	return 1
}

// stages is the one table of what a depth consists of (He et al., "Deep Residual Learning for Image Recognition", table
// 1).
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
