package resnet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/wire"
)

// Package pretrained, which does without TensorFlow, has its own list of each network's tensors. Weights that it
// accepts must fit the network that this package draws.
func TestPretrainedWeightsFitTheNetwork(t *testing.T) {
	for _, depth := range wire.Depths {
		s := op.NewScope()
		net, err := New(s, Of(depth), Input{Channels: 3, Mean: make([]float64, 3), Std: []float64{1, 1, 1}})
		if err != nil {
			t.Fatal(err)
		}
		images := op.Placeholder(s, tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, 32, 32, 3)))
		net.Forward(s, net.Normalise(s, images), Options{Mode: Inference})
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		drawn := map[string][]int{}
		for _, p := range net.Params {
			drawn[p.Name] = p.Shape
		}
		delete(drawn, "fc.weight")
		delete(drawn, "fc.bias")
		if diff := cmp.Diff(drawn, pretrained.Backbone(depth)); diff != "" {
			t.Errorf("depth %d, drawn (-) and accepted by pretrained (+):\n%s", depth, diff)
		}
	}
}
