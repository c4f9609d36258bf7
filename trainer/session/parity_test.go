package session

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"strings"
	"testing"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// What is compared here was computed by PyTorch in float64: hack/reference/resnet_golden.py, which makes up weights, images
// and gradients by the same formulas as this file.

func TestTrainsAsPyTorchDoes(t *testing.T) {
	for _, file := range []string{"resnet18", "resnet50"} {
		t.Run(file, func(t *testing.T) {
			var golden struct {
				Depth         int
				Parameters    int64
				Before, After []float64
				Losses, Norms []float64
				Tensors       map[string][]float64
			}
			readGolden(t, file, &golden)
			c := small(golden.Depth)
			c.Hyper.ImageSize, c.Hyper.ClipNorm = 48, 0.5
			m := open(t, c)
			if got := m.Architecture(); got.Parameters != golden.Parameters {
				t.Errorf("%d parameters, torchvision has %d", got.Parameters, golden.Parameters)
			}
			tensors := snapshot(t, m, loop.Inference)
			for i := range tensors {
				madeUpWeights(&tensors[i], golden.Depth)
			}
			if err := m.Restore(loop.Inference, tensors); err != nil {
				t.Fatal(err)
			}
			const n = 8
			batch := loop.Batch{Images: make([]uint8, n*48*48*6), Labels: make([]int32, n), Weights: make([]float32, n)}
			for i, u := range fill("images", len(batch.Images)) {
				batch.Images[i] = uint8((u + 1) * 128)
			}
			for i := range n {
				batch.Labels[i], batch.Weights[i] = int32(i%2), []float32{1, 2, 1, 0.5}[i%4]
			}

			near(t, "scores before", scoresOf(t, m, batch), golden.Before, 2e-5)
			for i := range golden.Losses {
				got := take(t, m, batch, int64(i+1))
				// float32 drifts from float64, the more the more steps were taken.
				tolerance := []float64{1e-5, 2e-4, 4e-4}[i]
				near(t, "loss", []float32{got.Loss}, golden.Losses[i:i+1], tolerance)
				near(t, "norm", []float32{got.GradNorm}, golden.Norms[i:i+1], 50*tolerance)
				if i > 0 {
					continue
				}
				for _, x := range snapshot(t, m, loop.Resume) {
					if want, ok := golden.Tensors[x.Name]; ok {
						near(t, x.Name, x.Data[:len(want)], want, 1e-5)
						delete(golden.Tensors, x.Name)
					}
				}
			}
			near(t, "scores after", scoresOf(t, m, batch), golden.After, 3e-2)
			if len(golden.Tensors) > 0 {
				t.Errorf("tensors of the golden file that the model lacks: %v", golden.Tensors)
			}
		})
	}
}

// Five steps on a kernel and a bias from given gradients: decay on the kernel alone, clipping, gradients down to 1e-9.
func TestAdamWIsPyTorchs(t *testing.T) {
	var golden struct {
		Decay, Clip float64
		Steps       []struct {
			Rate, Scale, Norm float64
			Kernel, Bias      []float64
		}
	}
	readGolden(t, "adamw", &golden)
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.WeightDecay, h.ClipNorm, h.EMA = golden.Decay, golden.Clip, 0

	root := op.NewScope()
	params := []*resnet.Param{{Name: "kernel", Shape: []int{2, 3}, Trained: true}, {Name: "bias", Shape: []int{3}, Trained: true}}
	m := &Model{config: Config{Hyper: h}, root: root, net: &resnet.Net{Params: params}}
	s := root.SubScope("test")
	var grads []tf.Output
	for _, p := range params {
		p.Handle, p.Value = resnet.Variable(s, p.Name, p.Dims())
		grads = append(grads, op.Placeholder(s.SubScope("grad"), tf.Float, op.PlaceholderShape(tf.MakeShape(p.Dims()...))))
	}
	m.optimizer = newOptimizer(s, h, params)
	fed := op.Placeholder(s.SubScope("rates"), tf.Float, op.PlaceholderShape(tf.MakeShape(rateCount)))
	norm := globalNorm(s.SubScope("norm"), params, grads)
	updates := m.optimizer.draw(s.SubScope("adamw"), loop.Head, params, grads, op.Unpack(s, fed, rateCount), norm, op.IsFinite(s, norm))
	m.drawState()
	graph, err := root.Finalize()
	if err != nil {
		t.Fatal(err)
	}
	sess, err := tf.NewSession(graph, Options(2, false))
	if err != nil {
		t.Fatal(err)
	}
	m.session = sess
	defer m.Close()
	start := loop.Tensors{{Name: "kernel", Shape: []int{2, 3}, Data: fill("kernel", 6)}, {Name: "bias", Shape: []int{3}, Data: fill("bias", 3)}}
	if err := m.Restore(loop.Inference, start); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}

	for i, step := range golden.Steps {
		feeds := map[tf.Output]*tf.Tensor{}
		for j, p := range params {
			g := fill(p.Name+"."+string(rune('1'+i)), p.Size())
			for k := range g {
				g[k] *= float32(step.Scale)
			}
			if err := feed(m, feeds, grads[j], g, p.Dims()...); err != nil {
				t.Fatal(err)
			}
		}
		if err := feed(m, feeds, fed, rates(h, loop.StepParams{LearningRate: float32(step.Rate), PhaseStep: int64(i + 1)}), rateCount); err != nil {
			t.Fatal(err)
		}
		out, err := sess.Run(feeds, []tf.Output{norm}, updates)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "norm", []float32{out[0].Value().(float32)}, []float64{step.Norm}, 1e-6)
		after := snapshot(t, m, loop.Inference)
		near(t, "bias", after[0].Data, step.Bias, 1e-6)
		near(t, "kernel", after[1].Data, step.Kernel, 1e-6)
	}
}

// near allows an error of tolerance, relative to what is above 1 and absolute below.
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

// fill is the same formula as in resnet_golden.py.
func fill(name string, n int) []float32 {
	seed := crc32.ChecksumIEEE([]byte(name))
	v := make([]float32, n)
	for i := range v {
		x := uint32(i)*0x9E3779B9 + seed
		x ^= x >> 16
		x *= 0x21F0AAAD
		x ^= x >> 15
		x *= 0x735A2D97
		x ^= x >> 15
		v[i] = float32(float64(x)/(1<<31) - 1)
	}
	return v
}

func madeUpWeights(x *loop.Tensor, depth int) {
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
	case strings.HasPrefix(x.Name, "layer") && strings.HasSuffix(x.Name, lastScale) && !strings.Contains(x.Name, "downsample"):
		scale, shift = 0.02, 0.2
	case strings.HasSuffix(x.Name, ".weight"):
		scale, shift = 0.1, 1
	}
	x.Data = fill(x.Name, len(x.Data))
	for i, u := range x.Data {
		x.Data[i] = float32(shift + scale*float64(u))
	}
}

func scoresOf(t *testing.T, m *Model, b loop.Batch) []float32 {
	t.Helper()
	s, err := m.Evaluate(b.Images, len(b.Labels))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
