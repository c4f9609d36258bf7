package wire

import "testing"

// The number in a network's name is 1 for the stem, 2 or 3 for each block, and 1 for the head.
func TestADepthCountsItsLayers(t *testing.T) {
	for _, depth := range Depths {
		stages, ok := StagesOf(depth)
		if !ok {
			t.Fatalf("depth %d has no stages", depth)
		}
		layers, perBlock := 2, 2
		if stages.Bottleneck {
			perBlock = 3
		}
		for _, blocks := range stages.Blocks {
			layers += blocks * perBlock
		}
		if layers != depth {
			t.Errorf("the stages of depth %d have %d layers", depth, layers)
		}
	}
	if _, ok := StagesOf(20); ok {
		t.Error("depth 20 has stages")
	}
}
