package resnet

import (
	"math"
	"strings"
	"testing"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

func TestParameterCounts(t *testing.T) {
	// PyTorch's counts for six channels and two classes.
	for depth, want := range map[int]int{18: 11186946, 34: 21295106, 50: 23521538, 101: 42513666, 152: 58157314} {
		net := draw(t, depth, Training)
		got, names := 0, map[string]bool{}
		for _, p := range net.Params {
			if names[p.Name] {
				t.Errorf("depth %d declares %s twice", depth, p.Name)
			}
			names[p.Name] = true
			if p.Trained {
				got += p.Size()
			}
		}
		if got != want {
			t.Errorf("depth %d has %d parameters, want %d", depth, got, want)
		}
	}
}

func TestForwardPassesShareVariables(t *testing.T) {
	s := op.NewScope()
	net, err := New(s, Of(18), sixChannels())
	if err != nil {
		t.Fatal(err)
	}
	images := op.Placeholder(s, tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, 32, 32, 6)))
	measure := func(name string, mode Mode) []Measured {
		sub := s.SubScope(name)
		return net.Forward(sub, net.Normalise(sub, images), Options{Mode: mode}).Measured
	}
	measured := measure("train", Training)
	declared := len(net.Params)
	none := measure("eval", Inference)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	// 20 kernels, four parameters for each of 20 batch norms, and two for fc
	if len(net.Params) != declared || declared != 102 {
		t.Errorf("%d parameters after the first pass and %d after the second, want 102", declared, len(net.Params))
	}
	if len(measured) != 20 || none != nil {
		t.Errorf("training measures %d batch norms and inference %d, want 20 and 0", len(measured), len(none))
	}
}

func TestInitialValues(t *testing.T) {
	net := draw(t, 50, Training)
	for _, p := range net.Params {
		v := p.Initial(7)
		var sum, squares float64
		for _, x := range v {
			sum += float64(x)
			squares += float64(x) * float64(x)
		}
		mean, rms := sum/float64(len(v)), math.Sqrt(squares/float64(len(v)))
		var want float64 // root mean square
		switch {
		case len(p.Shape) == 4:
			want = math.Sqrt(2 / float64(p.Shape[0]*p.Shape[2]*p.Shape[3]))
		case p.Name == "fc.weight":
			want = 1 / math.Sqrt(3*2048)
		case p.Name == "fc.bias":
			continue // two values are too few for a mean and a deviation
		case strings.HasSuffix(p.Name, ".bn3.weight"),
			strings.HasSuffix(p.Name, ".bias"),
			strings.HasSuffix(p.Name, ".running_mean"):
			want = 0
		default:
			want = 1
		}
		if math.Abs(rms-want) > 0.05*want {
			t.Errorf("%s has root mean square %v, want %v", p.Name, rms, want)
		}
		if len(p.Shape) > 1 && math.Abs(mean) > 0.05*want {
			t.Errorf("%s has mean %v, want 0", p.Name, mean)
		}
	}

	conv1 := net.Params[0]
	a, b, other := conv1.Initial(7), conv1.Initial(7), conv1.Initial(8)
	if a[0] != b[0] || a[len(a)-1] != b[len(b)-1] {
		t.Error("the same seed gives different weights")
	}
	if a[0] == other[0] {
		t.Error("another seed gives the same weights")
	}
}

func TestRefusals(t *testing.T) {
	zeroStd := sixChannels()
	zeroStd.Std[3] = 0
	short := sixChannels()
	short.Mean = short.Mean[:5]
	for name, c := range map[string]struct {
		depth int
		input Input
		want  string
	}{
		"an unknown depth":           {20, sixChannels(), "depth 20 is not one of"},
		"a channel without contrast": {18, zeroStd, "the deviation of channel 3 is 0"},
		"a missing mean":             {18, short, "6 channels, 5 means"},
	} {
		if _, err := New(op.NewScope(), Of(c.depth), c.input); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func draw(t *testing.T, depth int, mode Mode) *Net {
	t.Helper()
	s := op.NewScope()
	net, err := New(s, Of(depth), sixChannels())
	if err != nil {
		t.Fatal(err)
	}
	images := op.Placeholder(s, tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, 64, 64, 6)))
	forward := s.SubScope("forward")
	logits := net.Forward(forward, net.Normalise(forward, images), Options{Mode: mode}).Logits
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if got := logits.Shape().String(); got != "[?, 2]" {
		t.Errorf("depth %d has logits of shape %s, want [?, 2]", depth, got)
	}
	return net
}

func sixChannels() Input {
	return Input{
		Channels: 6,
		Mean:     []float64{120, 121, 122, 123, 124, 125},
		Std:      []float64{50, 51, 52, 53, 54, 55},
	}
}
