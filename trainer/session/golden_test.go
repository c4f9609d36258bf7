package session

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"strings"
	"testing"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
)

// This file reads the golden files that hack/reference/resnet_golden.py writes, and compares with them. Weights, images
// and gradients are made up here by the formulas of that program, so that no file has to hold them.

// goldenNet is the golden file of one depth.
type goldenNet struct {
	Depth                int
	Parameters           int64
	Evaluation, Training []float64 // logits [8,2] before any training, by mode of batch normalisation
	Trainings            map[string]goldenTraining
}

// goldenTraining is what PyTorch computed in some steps on one batch. Every training starts from the same made-up
// weights.
type goldenTraining struct {
	Settings json.RawMessage // of wire.Hyperparameters
	Phase    loop.Phase
	Shares   []float64 // share of the new weights in the averages, by step; empty where no averages are kept

	Losses     []float64
	Norm       float64           // of the first step's gradients, before clipping
	Gradients  map[string]sketch // of the first step, by stage
	Update     map[string]sketch // what the first step added to the weights
	Statistics map[string]sketch // what the first step added to running means and variances
	Averages   map[string]sketch // what all steps added to the averages, statistics included
	After      []float64         // logits [8,2] of the averages in evaluation, after all steps

	Gaps struct { // relative distance of PyTorch's float32 from its float64
		Losses                                         []float64
		Gradients, Update, Statistics, Averages, After float64
	}
}

const (
	goldenSide    = 48 // gives the last stages odd sides, where padding is easily wrong
	goldenSamples = 8
)

// goldenBatch returns the batch that resnet_golden.py trains on.
func goldenBatch() loop.Batch {
	b := loop.Batch{
		Images:  make([]uint8, goldenSamples*goldenSide*goldenSide*6),
		Labels:  make([]int32, goldenSamples),
		Weights: make([]float32, goldenSamples),
	}
	for i, u := range fill("images", len(b.Images)) {
		b.Images[i] = uint8((u + 1) * 128)
	}
	for i := range goldenSamples {
		b.Labels[i], b.Weights[i] = int32(i%2), []float32{1, 2, 1, 0.5}[i%4]
	}
	return b
}

// near allows each value an error of tolerance, which is relative where the wanted value is above 1, and absolute
// below.
func near(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-want[i])/max(1, math.Abs(want[i])))
	}
	t.Logf("%s: off by %.1e", what, worst)
	if len(got) != len(want) || !(worst <= tolerance) {
		t.Errorf("%s: got %v, want %v, off by %.1e, tolerated %.1e", what, got, want, worst, tolerance)
	}
}

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// fill returns n numbers in [-1,1) by the formula of resnet_golden.py. They are float64: in float32 a number might
// round up, and the pixel that is made of it would be another one.
func fill(name string, n int) []float64 {
	seed := crc32.ChecksumIEEE([]byte(name))
	v := make([]float64, n)
	for i := range v {
		x := uint32(i)*0x9E3779B9 + seed
		x ^= x >> 16
		x *= 0x21F0AAAD
		x ^= x >> 15
		x *= 0x735A2D97
		x ^= x >> 15
		v[i] = float64(x)/(1<<31) - 1
	}
	return v
}

func timesEach(xs []float64, scale float64) []float32 {
	out := make([]float32, len(xs))
	for i, x := range xs {
		out[i] = float32(x * scale)
	}
	return out
}

// madeUpWeights returns the values that resnet_golden.py gives a parameter.
func madeUpWeights(p *resnet.Param, depth int) loop.Tensor {
	x := loop.Tensor{Name: p.Name, Role: roleOf(p), Shape: p.Shape, Data: make([]float32, p.Size())}
	lastScale := "bn2.weight"
	if depth >= 50 {
		lastScale = "bn3.weight"
	}
	scale, shift := 0.1, 0.0
	switch {
	case len(x.Shape) == 4:
		scale = math.Sqrt(6 / float64(x.Shape[0]*x.Shape[2]*x.Shape[3]))
	case x.Name == "fc.weight":
		scale = 1 / math.Sqrt(float64(x.Shape[1]))
	case strings.HasSuffix(x.Name, "running_var"):
		scale, shift = 0.5, 1
	case strings.HasPrefix(x.Name, "layer") &&
		strings.HasSuffix(x.Name, lastScale) &&
		!strings.Contains(x.Name, "downsample"):
		scale, shift = 0.02, 0.2
	case strings.HasSuffix(x.Name, ".weight"):
		scale, shift = 0.1, 1
	}
	for i, u := range fill(x.Name, len(x.Data)) {
		x.Data[i] = float32(shift + scale*u)
	}
	return x
}

func scoresOf(t *testing.T, m *Model, b loop.Batch) []float32 {
	t.Helper()
	s, err := m.Evaluate(b.Images, len(b.Labels))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// nearLargest allows each value an error of tolerance, relative to the largest wanted value.
func nearLargest(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	off, largest := 0.0, 0.0
	for i := range min(len(got), len(want)) {
		off, largest = max(off, math.Abs(float64(got[i])-want[i])), max(largest, math.Abs(want[i]))
	}
	t.Logf("%s: off by %.1e, tolerated %.1e", what, off/largest, tolerance)
	if len(got) != len(want) || len(want) == 0 || !(off <= tolerance*largest) {
		t.Errorf("%s: got %v, want %v, off by %.1e, tolerated %.1e", what, got, want, off/largest, tolerance)
	}
}

// sketch stands for many numbers by two: their norm, and their scalar product with a made-up vector. The product finds
// mistakes that keep the norm: a wrong sign, a wrong order, a transposed kernel.
type sketch [2]float64

// compareSketches compares with the golden file the sketch of each stage's numbers. numbers returns those that belong
// to one of tensors. A stage that the golden file leaves out is not trained.
func compareSketches(
	t *testing.T, what string, golden map[string]sketch, gap float64,
	tensors map[string]loop.Tensor, numbers func(x loop.Tensor) []float64,
) {
	t.Helper()
	got := map[string]sketch{}
	for _, x := range tensors {
		s, mix := got[stageOf(x.Name)], fill("sketch."+x.Name, len(x.Data))
		for i, v := range numbers(x) {
			s[0] += v * v
			s[1] += v * mix[i]
		}
		got[stageOf(x.Name)] = s
	}
	for stage, want := range golden {
		g := got[stage]
		g[0] = math.Sqrt(g[0])
		norm, product := math.Abs(g[0]-want[0]), math.Abs(g[1]-want[1])
		// Rounding may turn a gradient, which keeps its norm, so only the product's tolerance grows with the gap. Both
		// are relative to the norm: where the golden norm is 0, nothing may change.
		if !(norm <= stepTolerance*want[0] && product <= tolerated(gap)*want[0]) {
			t.Errorf("%s of %s: got norm and product %v, want %v, tolerated %.1e and %.1e",
				what, stage, g, want, stepTolerance, tolerated(gap))
		}
		if want[0] > 0 {
			t.Logf("%s of %s: norm off by %.1e, product off by %.1e", what, stage, norm/want[0], product/want[0])
		}
	}
	if len(golden) == 0 {
		t.Errorf("the golden file has no %s", what)
	}
}

// stageOf returns the stage of a parameter: stem, layer1 to layer4, or head.
func stageOf(name string) string {
	top, _, _ := strings.Cut(name, ".")
	if stage, ok := map[string]string{"conv1": "stem", "bn1": "stem", "fc": "head"}[top]; ok {
		return stage
	}
	return top
}

func byName(tensors loop.Tensors) map[string]loop.Tensor {
	m := map[string]loop.Tensor{}
	for _, x := range tensors {
		m[x.Name] = x
	}
	return m
}

// only returns the tensors that have this role.
func only(tensors map[string]loop.Tensor, role string) map[string]loop.Tensor {
	some := map[string]loop.Tensor{}
	for name, x := range tensors {
		if x.Role == role {
			some[name] = x
		}
	}
	return some
}
