package session

import (
	"cmp"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/trainer/resnet"
)

// The test reads converted ImageNet weights, sets a network to them, and asks it what three photographs show. The
// wanted answers are PyTorch's in float64, from the weights as Keras published them
// (hack/reference/pretrained_golden.py). They come out only if the block, the epsilon, the folded biases, the order of
// colours and every transposition are right.
func TestRealWeightsNameRealPhotographs(t *testing.T) {
	weights, err := pretrained.Read(convertedWeights(t), 50)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no ImageNet weights in the cache: make pretrained fetches them")
	}
	if err != nil {
		t.Fatal(err)
	}
	const side, classes = 224, 1000
	root := op.NewScope()
	architecture := resnet.Architecture{Depth: 50, Block: weights.Block, Epsilon: weights.Epsilon, Classes: classes}
	net, err := resnet.New(root, architecture, resnet.Input{
		Channels: 3,
		Mean:     []float64{123.68, 116.779, 103.939},
		Std:      []float64{58.395, 57.12, 57.375},
	})
	if err != nil {
		t.Fatal(err)
	}
	images := op.Placeholder(root, tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, side, side, 3)))
	pass := net.Forward(root.SubScope("forward"), net.Normalise(root, images), resnet.Options{Mode: resnet.Inference})
	probabilities := op.Softmax(root, pass.Logits)
	state := DrawState(root.SubScope("state"), net.Params)
	graph, err := root.Finalize()
	if err != nil {
		t.Fatal(err)
	}
	sess, err := tf.NewSession(graph, Options(2, false))
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	var tensors loop.Tensors
	for _, x := range weights.Tensors {
		tensors = append(tensors, loop.Tensor{Name: x.Name, Shape: x.Shape, Data: x.Data})
	}
	if err := state.Set(sess, tensors); err != nil {
		t.Fatal(err)
	}

	for file, want := range photographs(t) {
		t.Run(file, func(t *testing.T) {
			fed, err := tf.NewTensor([][][][3]uint8{pixels(t, filepath.Join("testdata/photographs", file))})
			if err != nil {
				t.Fatal(err)
			}
			out, err := sess.Run(map[tf.Output]*tf.Tensor{images: fed}, []tf.Output{probabilities}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := out[0].Value().([][]float32)[0]
			best := slices.Index(got, slices.MaxFunc(got, cmp.Compare))
			first := want[0]
			t.Logf("%s: class %d with probability %.4f; want %s, class %d with probability %.4f",
				file, best, got[best], first.Name, first.Class, first.Probability)
			if best != first.Class {
				t.Errorf("the network sees class %d, want %s", best, first.Name)
			}
			for _, w := range want {
				if off := math.Abs(float64(got[w.Class]) - w.Probability); !(off < 1e-4) {
					t.Errorf("%s has probability %v, want %v", w.Name, got[w.Class], w.Probability)
				}
			}
		})
	}
}

// convertedWeights returns the path at which hack/pretrained/fetch.sh puts the converted weights.
func convertedWeights(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("PLUMBLINE_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		cache = filepath.Join(base, "plumbline")
	}
	return filepath.Join(cache, "pretrained", "resnet50.safetensors")
}

// guess is one of a photograph's five most probable classes.
type guess struct {
	Class       int
	Name        string
	Probability float64
}

// photographs returns the five guesses for each file, the most probable one first.
func photographs(t *testing.T) map[string][]guess {
	t.Helper()
	b, err := os.ReadFile("testdata/photographs.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]guess
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Fatalf("%d photographs, want 3", len(all))
	}
	return all
}

// pixels returns the pixels of a PNG file: [height,width,3], red first
func pixels(t *testing.T, file string) [][][3]uint8 {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoded, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	rgba, ok := decoded.(*image.RGBA) // the type of a PNG without transparency
	if !ok {
		t.Fatalf("%s is %T", file, decoded)
	}
	rows := make([][][3]uint8, rgba.Rect.Dy())
	for y := range rows {
		for x := range rgba.Rect.Dx() {
			c := rgba.RGBAAt(x, y)
			rows[y] = append(rows[y], [3]uint8{c.R, c.G, c.B})
		}
	}
	return rows
}
