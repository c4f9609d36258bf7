package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// The golden values are PyTorch's, computed in float64 by hack/reference/resnet_golden.py. Every tolerance is relative:
// to a loss, to the largest logit, or to the norm of what changed.
const (
	logitTolerance = 1e-4
	stepTolerance  = 1e-3 // of gradients, of what one step changes, and of losses

	// gapsTolerated is how many times PyTorch's own gap between float32 and float64, which a golden file holds, is
	// tolerated, where this is more than stepTolerance. The reason: rounding now and then puts an activation near 0 on
	// the other side of its ReLU (ten activations in one step of depth 152). Each of them turns the gradients by up to
	// 2e-2, and from there on losses drift apart. Where no activation changes sides, everything agrees to 1e-5.
	gapsTolerated = 5
)

func TestComputesWhatPyTorchComputes(t *testing.T) {
	for _, depth := range wire.Depths {
		t.Run(fmt.Sprintf("depth %d", depth), func(t *testing.T) {
			var golden goldenNet
			readGolden(t, fmt.Sprintf("resnet%d", depth), &golden)
			for name, training := range golden.Trainings {
				t.Run(name, func(t *testing.T) {
					t.Parallel() // half of the time goes into copying weights and drawing graphs, which use one core
					m, start := openGolden(t, depth, training)
					if name == "SGD" {
						compareLogits(t, golden, m)
					}
					compareTraining(t, golden.Depth, training, m, start)
				})
			}
		})
	}
}

// openGolden opens a model with the settings of a golden training, and sets its weights, statistics and averages to the
// made-up ones. It also returns these by name.
func openGolden(t *testing.T, depth int, golden goldenTraining) (*Model, map[string]loop.Tensor) {
	t.Helper()
	c := small(depth)
	c.Hyper.ImageSize, c.Hyper.BatchSize = goldenSide, goldenSamples
	if err := json.Unmarshal(golden.Settings, &c.Hyper); err != nil {
		t.Fatal(err)
	}
	m := open(t, c)
	var tensors loop.Tensors
	for _, p := range m.net.Params {
		tensors = append(tensors, madeUpWeights(p, depth))
	}
	if err := m.Restore(loop.Inference, tensors); err != nil {
		t.Fatal(err)
	}
	return m, byName(tensors)
}

// compareLogits compares the logits before any training, in both modes of batch normalisation.
func compareLogits(t *testing.T, golden goldenNet, m *Model) {
	if got := m.Architecture(); got.Parameters != golden.Parameters {
		t.Errorf("%d parameters, torchvision has %d", got.Parameters, golden.Parameters)
	}
	logits := func(name string, mode resnet.Mode) []float32 {
		s := m.root.SubScope("logits-" + name)
		fed := m.imagePlaceholder(s)
		pass := m.net.Forward(s, m.net.Normalise(s, fed), resnet.Options{Mode: mode})
		feeds := map[tf.Output]*tf.Tensor{}
		err := addFeed(m, feeds, fed, goldenBatch().Images, goldenSamples, goldenSide, goldenSide, 6)
		if err := errors.Join(m.root.Err(), err); err != nil {
			t.Fatal(err)
		}
		out, err := m.session.Run(feeds, []tf.Output{pass.Logits}, nil)
		if err != nil {
			t.Fatal(err)
		}
		values, err := floatsOf(out[0])
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	nearLargest(t, "logits in evaluation", logits("evaluation", resnet.Inference), golden.Evaluation, logitTolerance)
	nearLargest(t, "logits in training", logits("training", resnet.Training), golden.Training, logitTolerance)
}

// compareTraining takes the steps of a golden training and compares the loss of each, what the first step did, and what
// the averages are after the last step.
func compareTraining(t *testing.T, depth int, golden goldenTraining, m *Model, start map[string]loop.Tensor) {
	batch := goldenBatch()
	for i := range golden.Losses {
		p := loop.StepParams{
			Phase:        golden.Phase,
			PhaseStep:    int64(i + 1),
			LearningRate: float32(m.config.Hyper.LearningRate),
		}
		if len(golden.Shares) > 0 {
			p.Average = float32(golden.Shares[i])
		}
		got, err := m.Step(batch, p)
		if err != nil {
			t.Fatal(err)
		}
		tolerance := stepTolerance
		if depth > 18 {
			tolerance = tolerated(golden.Gaps.Losses[i])
		}
		nearLargest(t, fmt.Sprint("loss ", i+1), []float32{got.Loss}, golden.Losses[i:i+1], tolerance)
		if i == 0 {
			nearLargest(t, "norm", []float32{got.GradNorm}, []float64{golden.Norm}, stepTolerance)
			compareFirstStep(t, golden, m.config.Hyper, start, byName(snapshot(t, m, loop.Resume)))
		}
	}
	if len(golden.Shares) == 0 {
		return
	}
	after := byName(snapshot(t, m, loop.Resume))
	compareSketches(t, "averages", golden.Averages, golden.Gaps.Averages, start, changes(after, averagePrefix))
	var scores []float64
	for i := 0; i < len(golden.After); i += 2 {
		scores = append(scores, golden.After[i+1]-golden.After[i])
	}
	nearLargest(t, "scores after", scoresOf(t, m, batch), scores, tolerated(golden.Gaps.After))
}

func tolerated(gap float64) float64 { return max(stepTolerance, gapsTolerated*gap) }

// compareFirstStep compares what the first step changed, and its gradients. The gradients are worked out from the
// optimizer's slots: these were 0 before the step, and now hold the gradients, scaled down to the clipping norm.
func compareFirstStep(
	t *testing.T, golden goldenTraining, h wire.Hyperparameters, start, after map[string]loop.Tensor,
) {
	weights, statistics := only(start, wire.RoleWeight), only(start, wire.RoleStatistic)
	compareSketches(t, "update", golden.Update, golden.Gaps.Update, weights, changes(after, ""))
	compareSketches(t, "statistics", golden.Statistics, golden.Gaps.Statistics, statistics, changes(after, ""))

	clip := min(1, h.ClipNorm/(golden.Norm+1e-6))
	slot, share, decay := slotPrefixes[wire.SGD][0], 1.0, h.WeightDecay // m = clip g + wd p
	if h.Optimizer == wire.AdamW {
		slot, share, decay = slotPrefixes[wire.AdamW][0], 1-h.Beta1, 0 // m = (1-b1) clip g
	}
	compareSketches(t, "gradients", golden.Gradients, golden.Gaps.Gradients, weights, func(x loop.Tensor) []float64 {
		g := make([]float64, len(x.Data))
		for i, v := range after[slot+x.Name].Data {
			g[i] = float64(v) / share
			if len(x.Shape) > 1 {
				g[i] -= decay * float64(x.Data[i])
			}
			g[i] /= clip
		}
		return g
	})
}

// changes returns a function that returns what was added to a tensor. The tensor's values afterwards are in after,
// under prefix and the tensor's name.
func changes(after map[string]loop.Tensor, prefix string) func(x loop.Tensor) []float64 {
	return func(x loop.Tensor) []float64 {
		d := make([]float64, len(x.Data))
		for i, v := range after[prefix+x.Name].Data {
			d[i] = float64(v) - float64(x.Data[i])
		}
		return d
	}
}

// The test takes five steps on a kernel and a bias from given gradients, which are as small as 1e-9. It covers
// clipping, and weight decay on the kernel alone.
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
	params := []*resnet.Param{
		{Name: "kernel", Shape: []int{2, 3}, Trained: true},
		{Name: "bias", Shape: []int{3}, Trained: true},
	}
	m := &Model{config: Config{Hyper: h}, root: root, net: &resnet.Net{Params: params}}
	s := root.SubScope("test")
	var grads []tf.Output
	for _, p := range params {
		p.Handle, p.Value = resnet.Variable(s, p.Name, p.TensorFlowShape())
		shape := op.PlaceholderShape(tf.MakeShape(p.TensorFlowShape()...))
		grads = append(grads, op.Placeholder(s.SubScope("grad"), tf.Float, shape))
	}
	m.optimizer = newOptimizer(s, h, params)
	vector := op.Placeholder(s.SubScope("scalars"), tf.Float, op.PlaceholderShape(tf.MakeShape(scalarCount)))
	norm := globalNorm(s.SubScope("norm"), params, grads)
	fed := op.Unpack(s, vector, scalarCount)
	updates := m.optimizer.draw(s.SubScope("adamw"), loop.Head, params, grads, fed, norm, op.IsFinite(s, norm))
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
	start := loop.Tensors{
		{Name: "kernel", Shape: []int{2, 3}, Data: timesEach(fill("kernel", 6), 1)},
		{Name: "bias", Shape: []int{3}, Data: timesEach(fill("bias", 3), 1)},
	}
	if err := m.Restore(loop.Inference, start); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}

	for i, step := range golden.Steps {
		feeds := map[tf.Output]*tf.Tensor{}
		for j, p := range params {
			g := timesEach(fill(p.Name+"."+string(rune('1'+i)), p.Size()), step.Scale)
			if err := addFeed(m, feeds, grads[j], g, p.TensorFlowShape()...); err != nil {
				t.Fatal(err)
			}
		}
		p := loop.StepParams{LearningRate: float32(step.Rate), PhaseStep: int64(i + 1)}
		if err := addFeed(m, feeds, vector, scalars(h, p), scalarCount); err != nil {
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
