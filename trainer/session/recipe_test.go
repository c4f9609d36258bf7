package session

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// everything returns a configuration in which every part of a recipe is on.
func everything() Config {
	c := small(18)
	c.Hyper.EMA, c.Hyper.Accumulate, c.Hyper.LabelSmoothing = 0.9, 2, 0.1
	c.Hyper.BackboneFactor, c.Hyper.LayerDecay = 0.5, 0.8
	c.Hyper.Augment = wire.Augment{Shift: 0.1, Rotate: 5, Gain: 0.1, Offset: 0.1, Noise: 0.05}
	return c
}

// unaugmented returns the batch with an augmentation that changes nothing.
func unaugmented(b loop.Batch, channels int) loop.Batch {
	a := &loop.Augmentation{Key: [2]int32{3, 4}}
	for range b.Labels {
		a.Transforms = append(a.Transforms, 1, 0, 0, 0, 1, 0, 0, 0)
		for range channels {
			a.Gain, a.Offset = append(a.Gain, 1), append(a.Offset, 0)
		}
	}
	b.Augment = a
	return b
}

func stepIn(t *testing.T, m *Model, phase loop.Phase, b loop.Batch, step int64) loop.StepResult {
	t.Helper()
	p := loop.StepParams{Phase: phase, PhaseStep: step, LearningRate: 1e-3, Average: 0.25, LossScale: 1024}
	r, err := m.Step(b, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResumeWithEverythingOnContinuesBitForBit(t *testing.T) {
	for _, optimizer := range wire.Optimizers {
		c := everything()
		c.Hyper.Optimizer = optimizer
		batch := func(seed int64) loop.Batch {
			b := unaugmented(toyBatch(c, 8, seed), c.Channels)
			b.Augment.Transforms[2], b.Augment.Gain[3], b.Augment.Offset[5] = 1.5, 1.1, -0.2
			b.Augment.Key[1] = int32(seed)
			return b
		}
		m := open(t, c)
		for step := int64(1); step <= 2; step++ {
			stepIn(t, m, loop.All, batch(step), step)
		}
		saved := snapshot(t, m, loop.Resume)
		inference := snapshot(t, m, loop.Inference)
		if diff := differing(saved.Inference(), inference); diff != nil {
			t.Errorf("%s: the inference part of a resume snapshot is not an inference snapshot: %v", optimizer, diff)
		}
		stepIn(t, m, loop.All, batch(3), 3)
		want := snapshot(t, m, loop.Resume)

		other := c
		other.Hyper.Seed = 99
		resumed := open(t, other)
		if err := resumed.Restore(loop.Resume, saved); err != nil {
			t.Fatal(err)
		}
		stepIn(t, resumed, loop.All, batch(3), 3)
		if diff := differing(want, snapshot(t, resumed, loop.Resume)); diff != nil {
			t.Errorf("%s: after a step of the resumed model these tensors differ: %v", optimizer, diff)
		}
	}
}

func TestAStepThatIsNotFiniteChangesNothingWithEverythingOn(t *testing.T) {
	for _, optimizer := range wire.Optimizers {
		c := everything()
		c.Hyper.Optimizer = optimizer
		m := open(t, c)
		stepIn(t, m, loop.All, unaugmented(toyBatch(c, 8, 1), c.Channels), 1)
		before := snapshot(t, m, loop.Resume)
		for _, at := range []int{0, 7} { // a sample of the first part, and one of the last
			bad := unaugmented(toyBatch(c, 8, 2), c.Channels)
			bad.Augment.Gain[at*c.Channels] = float32(math.NaN())
			if stepIn(t, m, loop.All, bad, 2).Finite {
				t.Errorf("%s: a step with a NaN in sample %d has a finite result", optimizer, at)
			}
			changed := differing(before, snapshot(t, m, loop.Resume))
			// The running statistics have followed the first part, which was finite, as they would in PyTorch.
			changed = slices.DeleteFunc(changed, func(name string) bool {
				return at == 7 && strings.Contains(name, "running_") && !strings.HasPrefix(name, averagePrefix)
			})
			if len(changed) > 0 {
				t.Errorf("%s: a NaN in sample %d changed %v", optimizer, at, changed)
			}
			if err := m.Restore(loop.Resume, before); err != nil {
				t.Fatal(err)
			}
		}
		// The accumulators hold nothing of the spoiled gradients any more.
		fresh := open(t, c)
		if err := fresh.Restore(loop.Resume, before); err != nil {
			t.Fatal(err)
		}
		good := unaugmented(toyBatch(c, 8, 3), c.Channels)
		stepIn(t, m, loop.All, good, 2)
		stepIn(t, fresh, loop.All, good, 2)
		if diff := differing(snapshot(t, fresh, loop.Resume), snapshot(t, m, loop.Resume)); diff != nil {
			t.Errorf("%s: the step after a skipped one differs from a fresh model's in %v", optimizer, diff)
		}
	}
}

func TestPartsOfABatchMakeTheStepOfTheWhole(t *testing.T) {
	c := small(18)
	c.Hyper.BatchNorm = wire.BatchNormFreeze // otherwise each part is normalised by its own statistics
	c.Hyper.ClipNorm = 0.5
	batch := toyBatch(c, 8, 1)
	batch.Weights = []float32{1, 3, 1, 3, 0.5, 3, 1, 2}
	whole := stepIn(t, open(t, c), loop.All, batch, 1)
	c.Hyper.Accumulate = 4
	parts := stepIn(t, open(t, c), loop.All, batch, 1)
	near(t, "loss", []float32{parts.Loss}, []float64{float64(whole.Loss)}, 1e-6)
	near(t, "norm", []float32{parts.GradNorm}, []float64{float64(whole.GradNorm)}, 1e-5)
}

func TestTheHeadsPhaseTrainsTheHead(t *testing.T) {
	m := open(t, small(18))
	before := snapshot(t, m, loop.Inference)
	stepIn(t, m, loop.Head, toyBatch(small(18), 8, 1), 1)
	var weights []string
	for _, name := range differing(before, snapshot(t, m, loop.Inference)) {
		if !strings.Contains(name, "running_") {
			weights = append(weights, name)
		}
	}
	if diff := cmp.Diff([]string{"conv1.weight", "fc.bias", "fc.weight"}, weights); diff != "" {
		t.Error(diff)
	}
}

func TestFrozenStatisticsStay(t *testing.T) {
	c := small(18)
	c.Hyper.BatchNorm = wire.BatchNormFreeze
	m := open(t, c)
	before := snapshot(t, m, loop.Inference)
	stepIn(t, m, loop.All, toyBatch(c, 8, 1), 1)
	trained := 0
	for _, name := range differing(before, snapshot(t, m, loop.Inference)) {
		if trained++; strings.Contains(name, "running_") {
			t.Errorf("%s moved", name)
		}
	}
	// The last scale of each block starts at 0, so no gradient reaches the two convolutions before it, nor the scale
	// and the shift of the first batch norm. These 8 blocks x (2 kernels + 2) stay as they are, and nothing else does.
	if trained < 62-8*4 {
		t.Errorf("only %d weights were trained", trained)
	}
}

func TestAveragesFollow(t *testing.T) {
	c := small(18)
	c.Hyper.EMA = 0.9
	m := open(t, c)
	at := func(name string) float64 {
		for _, x := range snapshot(t, m, loop.Resume) {
			if x.Name == name {
				return float64(x.Data[0])
			}
		}
		t.Fatalf("no tensor %s", name)
		return 0
	}
	for _, name := range []string{"fc.bias", "bn1.running_mean"} {
		if err := m.Restart(); err != nil {
			t.Fatal(err)
		}
		if at(averagePrefix+name) != at(name) {
			t.Errorf("%s: the average begins a phase at %v, the value is %v", name, at(averagePrefix+name), at(name))
		}
		average := at(averagePrefix + name)
		for step := int64(1); step <= 3; step++ {
			stepIn(t, m, loop.All, toyBatch(c, 8, step), step)
			average += 0.25 * (at(name) - average)
			near(t, name, []float32{float32(at(averagePrefix + name))}, []float64{average}, 1e-6)
		}
	}
	// Evaluate scores with the averages.
	images := toyBatch(c, 4, 9).Images
	scores, err := m.Evaluate(images, 4)
	if err != nil {
		t.Fatal(err)
	}
	plain := small(18)
	raw := open(t, plain)
	if err := raw.Restore(loop.Inference, snapshot(t, m, loop.Inference)); err != nil {
		t.Fatal(err)
	}
	if again, err := raw.Evaluate(images, 4); err != nil || !slices.Equal(again, scores) {
		t.Errorf("scores %v; a model without averages, restored from them, scores %v (error %v)", scores, again, err)
	}
}

func TestReestimationIsTheMeanOverItsBatches(t *testing.T) {
	c := small(18)
	m := open(t, c)
	statistics := func(batches ...int64) loop.Tensors {
		for k, seed := range batches {
			if err := m.Reestimate(toyBatch(c, 8, seed).Images, 8, k+1); err != nil {
				t.Fatal(err)
			}
		}
		return snapshot(t, m, loop.Inference)
	}
	before := snapshot(t, m, loop.Inference)
	a, b, both := statistics(1), statistics(2), statistics(1, 2)
	for i, x := range both {
		if x.Role == wire.RoleWeight {
			if !slices.Equal(x.Data, before[i].Data) {
				t.Errorf("%s was changed", x.Name)
			}
			continue
		}
		want := make([]float64, len(x.Data))
		for k := range want {
			want[k] = (float64(a[i].Data[k]) + float64(b[i].Data[k])) / 2
		}
		near(t, x.Name, x.Data, want, 1e-5)
	}
	if err := m.Reestimate(toyBatch(c, 1, 1).Images, 1, 1); err == nil {
		t.Error("a batch of one image, which has no variance, was accepted")
	}
}

// A shift by whole pixels inside the graph must have the same result as a shift of the images that are fed, and gain 0
// for a channel the same as a channel that is its mean everywhere.
func TestAugmentationInTheGraphEqualsChangedImages(t *testing.T) {
	c := small(18)
	c.Hyper.Augment = wire.Augment{Shift: 0.2}
	plain := small(18)
	side, channels := c.Hyper.ImageSize, c.Channels
	batch := toyBatch(plain, 4, 1)
	compare := func(what string, got, want loop.StepResult) {
		t.Helper()
		near(t, "loss of "+what, []float32{got.Loss}, []float64{float64(want.Loss)}, 1e-5)
		near(t, "norm of "+what, []float32{got.GradNorm}, []float64{float64(want.GradNorm)}, 1e-5)
	}

	moved := unaugmented(batch, channels)
	shifted := batch
	shifted.Images = make([]uint8, len(batch.Images))
	for i := range batch.Labels {
		dx, dy := i, 2*i-3
		moved.Augment.Transforms[8*i+2], moved.Augment.Transforms[8*i+5] = float32(dx), float32(dy)
		for y := range side {
			for x := range side {
				fromX, fromY := min(max(x+dx, 0), side-1), min(max(y+dy, 0), side-1)
				to, from := ((i*side+y)*side+x)*channels, ((i*side+fromY)*side+fromX)*channels
				copy(shifted.Images[to:to+channels], batch.Images[from:from+channels])
			}
		}
	}
	want := stepIn(t, open(t, plain), loop.All, shifted, 1)
	got := stepIn(t, open(t, c), loop.All, moved, 1)
	compare("moved images", got, want)

	dropped, flat := unaugmented(batch, channels), batch
	flat.Images = slices.Clone(batch.Images)
	for i := range batch.Labels {
		dropped.Augment.Gain[i*channels+2] = 0
	}
	for k := 2; k < len(flat.Images); k += channels {
		flat.Images[k] = uint8(plain.Mean[2])
	}
	want = stepIn(t, open(t, plain), loop.All, flat, 1)
	got = stepIn(t, open(t, c), loop.All, dropped, 1)
	compare("a dropped channel", got, want)
}

func TestNoiseFollowsItsKey(t *testing.T) {
	c := small(18)
	c.Hyper.Augment = wire.Augment{Noise: 0.5}
	loss := func(key int32) float32 {
		b := unaugmented(toyBatch(c, 4, 1), c.Channels)
		b.Augment.Key[1] = key
		return stepIn(t, open(t, c), loop.All, b, 1).Loss
	}
	if a, again, other := loss(1), loss(1), loss(2); a != again || a == other {
		t.Errorf("losses %v and %v under one key, %v under another", a, again, other)
	}
}

func TestRatesOfTheStages(t *testing.T) {
	h := wire.Hyperparameters{BackboneFactor: 0.1, LayerDecay: 0.5}
	got := map[string]float64{}
	want := map[string]float64{
		"fc.weight":                  1,
		"layer4.1.conv2.weight":      0.1,
		"layer3.0.downsample.1.bias": 0.05,
		"layer1.0.bn1.weight":        0.0125,
		"bn1.weight":                 0.00625,
		"conv1.weight":               0.00625,
	}
	for name := range want {
		got[name] = optimizer{hyper: h}.factor(loop.All, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f := (optimizer{hyper: h}).factor(loop.Head, "conv1.weight"); f != 1 {
		t.Errorf("in the head phase the first convolution has the factor %v, want 1", f)
	}
}

func TestHalfPrecisionsTrain(t *testing.T) {
	var full []float32
	m := open(t, small(18))
	for step := int64(1); step <= 3; step++ {
		full = append(full, stepIn(t, m, loop.All, toyBatch(small(18), 8, 1), step).Loss)
	}
	for _, precision := range []string{wire.BFloat16, wire.Float16} {
		c := small(18)
		c.Hyper.Precision = precision
		m := open(t, c)
		var losses []float32
		for step := int64(1); step <= 3; step++ {
			losses = append(losses, stepIn(t, m, loop.All, toyBatch(c, 8, 1), step).Loss)
		}
		// The types have 8 and 11 bits of mantissa: the first loss agrees to a few hundredths. The loss must fall.
		if math.Abs(float64(losses[0]-full[0])) > 0.05 || losses[2] >= losses[0] {
			t.Errorf("losses in %s %v, in float32 %v", precision, losses, full)
		}
		if precision == wire.Float16 { // the gradients of a loss with too large a scale overflow
			p := loop.StepParams{Phase: loop.All, PhaseStep: 4, LearningRate: 1e-3, LossScale: 1 << 24}
			r, err := m.Step(toyBatch(c, 8, 1), p)
			if err != nil || r.Finite || math.IsNaN(float64(r.Loss)) {
				t.Errorf("with a loss scaled beyond float16: %+v, %v", r, err)
			}
		}
	}
}

// Scores are selected on and recorded, so they must be what the exported model returns, and that model computes in
// float32.
func TestScoresAreComputedInFloat32AtEveryPrecision(t *testing.T) {
	c := small(18)
	c.Hyper.Precision = wire.BFloat16
	m := open(t, c)
	stepIn(t, m, loop.All, toyBatch(c, 4, 1), 1)
	served := open(t, small(18))
	if err := served.Restore(loop.Inference, snapshot(t, m, loop.Inference)); err != nil {
		t.Fatal(err)
	}
	images := toyBatch(c, 4, 9).Images
	got, err := m.Evaluate(images, 4)
	if err != nil {
		t.Fatal(err)
	}
	want, err := served.Evaluate(images, 4)
	if err != nil {
		t.Fatal(err)
	}
	explained, err := m.Explain(images, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range explained {
		if got[i] != want[i] || math.Abs(float64(e.Score-want[i])) > 1e-5 {
			t.Errorf("image %d: the model trained in bfloat16 scores %v and explains %v, a float32 model scores %v",
				i, got[i], e.Score, want[i])
		}
	}
}
