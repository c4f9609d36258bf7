package resnet

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/wire"
)

// Package pretrained knows the networks without TensorFlow: what it lets pass must fit what is drawn here.
func TestPretrainedWeightsFitWhatIsDrawn(t *testing.T) {
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
		maps.DeleteFunc(drawn, func(name string, _ []int) bool { return name == "fc.weight" || name == "fc.bias" })
		if diff := cmp.Diff(drawn, pretrained.Backbone(depth)); diff != "" {
			t.Errorf("depth %d, drawn (-) and let pass (+):\n%s", depth, diff)
		}
	}
}
