package session

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tf "github.com/wamuir/graft/tensorflow"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

func TestLearnsToSeparateBrightFromDark(t *testing.T) {
	c := small(18)
	m := open(t, c)
	batch := toyBatch(c, 16, 1)
	var losses []float32
	for step := int64(1); step <= 12; step++ {
		losses = append(losses, takeStep(t, m, batch, step).Loss)
	}
	if first, last := losses[0], losses[len(losses)-1]; !(last < 0.2*first) {
		t.Errorf("the loss went from %v to %v in twelve steps: %v", first, last, losses)
	}
}

func TestAStepThatIsNotFiniteChangesNothing(t *testing.T) {
	poisons := map[string]func(*loop.Batch){
		"a NaN weight":             func(b *loop.Batch) { b.Weights[3] = float32(math.NaN()) },
		"an infinite weight":       func(b *loop.Batch) { b.Weights[0] = float32(math.Inf(1)) },
		"weights that sum to zero": func(b *loop.Batch) { clear(b.Weights) },
		"gradients that overflow":  func(b *loop.Batch) { b.Weights[0], b.Weights[1] = 1e30, -1e30 },
	}
	for clipName, clip := range map[string]float64{"clipped": 1, "not clipped": 0} {
		c := small(18)
		c.Hyper.ClipNorm = clip
		m := open(t, c)
		takeStep(t, m, toyBatch(c, 8, 1), 1) // so that the slots are not zeros
		before := snapshot(t, m, loop.Resume)
		for name, poison := range poisons {
			bad := toyBatch(c, 8, 2)
			poison(&bad)
			if got := takeStep(t, m, bad, 2); got.Finite {
				t.Errorf("%s, %s: the step's result is finite: %+v", name, clipName, got)
			}
			if diff := differing(before, snapshot(t, m, loop.Resume)); diff != nil {
				t.Errorf("%s, %s: changed: %v", name, clipName, diff)
			}
		}
		if got := takeStep(t, m, toyBatch(c, 8, 3), 2); !got.Finite { // training continues
			t.Errorf("%s: the step after them is not finite: %+v", clipName, got)
		}
		if diff := differing(before, snapshot(t, m, loop.Resume)); len(diff) != len(before) {
			t.Errorf("%s: a finite step changed only %d of %d tensors", clipName, len(diff), len(before))
		}
	}
}

func TestResumeContinuesBitForBit(t *testing.T) {
	c := small(18)
	m := open(t, c)
	for step := int64(1); step <= 2; step++ {
		takeStep(t, m, toyBatch(c, 8, step), step)
	}
	saved := snapshot(t, m, loop.Resume)
	inference := snapshot(t, m, loop.Inference)

	images := toyBatch(c, 40, 9).Images // more than one evaluation batch
	finish := func(m *Model) (losses []float32, scores []float32) {
		for step := int64(3); step <= 5; step++ {
			losses = append(losses, takeStep(t, m, toyBatch(c, 8, step), step).Loss)
		}
		scores, err := m.Evaluate(images, 40)
		if err != nil {
			t.Fatal(err)
		}
		return losses, scores
	}
	wantLosses, wantScores := finish(m)

	other := c
	other.Hyper.Seed = 99 // other initial weights, all of which the snapshot must overwrite
	resumed := open(t, other)
	if err := resumed.Restore(loop.Resume, saved); err != nil {
		t.Fatal(err)
	}
	if diff := differing(saved, snapshot(t, resumed, loop.Resume)); diff != nil {
		t.Errorf("a restored snapshot differs from what was restored: %v", diff)
	}
	losses, scores := finish(resumed)
	if !slices.Equal(losses, wantLosses) || !slices.Equal(scores, wantScores) {
		t.Errorf("losses %v, want %v; equal scores: %v", losses, wantLosses, slices.Equal(scores, wantScores))
	}

	// An inference snapshot scores alone as it does in the model that it is from, and an image alone as among forty.
	served := open(t, other)
	if err := served.Restore(loop.Inference, inference); err != nil {
		t.Fatal(err)
	}
	all, err := served.Evaluate(images, 40)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := served.Evaluate(images[:len(images)/40], 1)
	if err != nil {
		t.Fatal(err)
	}
	if alone[0] != all[0] || all[0] == wantScores[0] {
		t.Errorf("alone %v, among forty %v, three steps later %v", alone[0], all[0], wantScores[0])
	}
}

func TestSnapshotHasPyTorchsNamesAndShapes(t *testing.T) {
	c := small(18)
	m := open(t, c)
	all := snapshot(t, m, loop.Resume)
	if !slices.IsSortedFunc(all, func(a, b loop.Tensor) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("tensors are not in the order of their names")
	}
	type description struct {
		Role  string
		Shape []int
	}
	got := map[string]description{}
	roles := map[string]int{}
	for _, x := range all {
		roles[x.Role]++
		switch x.Name {
		case "conv1.weight",
			"layer2.0.downsample.0.weight",
			"layer4.1.bn2.running_var",
			"fc.weight",
			"adamw.v/conv1.weight":
			got[x.Name] = description{x.Role, x.Shape}
		}
	}
	want := map[string]description{
		"conv1.weight":                 {wire.RoleWeight, []int{64, 6, 7, 7}},
		"layer2.0.downsample.0.weight": {wire.RoleWeight, []int{128, 64, 1, 1}},
		"layer4.1.bn2.running_var":     {wire.RoleStatistic, []int{512}},
		"fc.weight":                    {wire.RoleWeight, []int{2, 512}},
		"adamw.v/conv1.weight":         {wire.RoleSlot, []int{64, 6, 7, 7}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantRoles := map[string]int{wire.RoleWeight: 62, wire.RoleStatistic: 40, wire.RoleSlot: 124}
	if diff := cmp.Diff(wantRoles, roles); diff != "" {
		t.Error(diff)
	}
}

func TestRestoreNamesTensorsThatDoNotFit(t *testing.T) {
	m := open(t, small(18))
	good := snapshot(t, m, loop.Inference)
	for name, c := range map[string]struct {
		spoil func(loop.Tensors) loop.Tensors
		want  string
	}{
		"a missing tensor": {func(ts loop.Tensors) loop.Tensors { return ts[1:] }, "tensor bn1.bias is missing"},
		"an extra tensor": {func(ts loop.Tensors) loop.Tensors {
			return append(ts, loop.Tensor{Name: "layer5.0.conv1.weight"})
		}, "tensor layer5.0.conv1.weight appears twice or does not belong to this model"},
		"another depth's shape": {func(ts loop.Tensors) loop.Tensors {
			ts[0].Shape = []int{65}
			return ts
		}, "tensor bn1.bias has shape [65], want [64]"},
		"a cut-off tensor": {func(ts loop.Tensors) loop.Tensors {
			ts[0].Data = ts[0].Data[:63]
			return ts
		}, "tensor bn1.bias has 63 values, want 64"},
	} {
		err := m.Restore(loop.Inference, c.spoil(slices.Clone(good)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if diff := differing(good, snapshot(t, m, loop.Inference)); diff != nil {
		t.Errorf("a refused restore changed %v", diff)
	}
}

func TestRefusals(t *testing.T) {
	m := open(t, small(18))
	good := toyBatch(small(18), 4, 1)
	newWith := func(change func(*Config)) func() error {
		return func() error {
			c := small(18)
			change(&c)
			_, err := New(c)
			return err
		}
	}
	for name, c := range map[string]struct {
		call func() error
		want string
	}{
		"no threads":       {newWith(func(c *Config) { c.Threads = 0 }), "threads 0 is below 1"},
		"an unknown depth": {newWith(func(c *Config) { c.Architecture = resnet.Of(20) }), "depth 20 is not one of"},
		"a tiny image":     {newWith(func(c *Config) { c.Hyper.ImageSize = 16 }), "imageSize 16 is outside 32..1024"},
		"a NaN decay":      {newWith(func(c *Config) { c.Hyper.WeightDecay = math.NaN() }), "weightDecay NaN"},
		"a label of 2": {
			stepWith(m, func(b *loop.Batch) { b.Labels = []int32{0, 1, 2, 0} }, good),
			"label 2 at position 2",
		},
		"a cut-off batch": {
			stepWith(m, func(b *loop.Batch) { b.Images = b.Images[1:] }, good),
			"24575 bytes of images",
		},
		"one sample": {
			stepWith(m, func(b *loop.Batch) { b.Labels = b.Labels[:1] }, good),
			"batchSize 1 is below 2",
		},
		"a NaN rate": {func() error {
			_, err := m.Step(good, loop.StepParams{Phase: loop.All, LearningRate: float32(math.NaN()), PhaseStep: 1})
			return err
		}, "learning rate NaN"},
		"a step that is 0": {func() error {
			_, err := m.Step(good, loop.StepParams{LearningRate: 1})
			return err
		}, "phase step 0 is below 1"},
		"too few bytes": {func() error {
			_, err := m.Evaluate(good.Images, 5)
			return err
		}, "evaluate 5 images"},
	} {
		if err := c.call(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestGPUs(t *testing.T) {
	got, err := GPUs(2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/dev/nvidiactl"); os.IsNotExist(err) && len(got) != 0 {
		t.Errorf("TensorFlow sees %v where there is no GPU", got)
	}
}

// Tensors live outside Go's heap, so a leak is visible only in the resident set.
func TestMemoryStaysFlat(t *testing.T) {
	m := open(t, small(18))
	before := resident(t)
	batch := make([]uint8, 8<<20)
	for range 100 { // feeds 800 MB in all, as a step feeds its images
		if err := addFeed(m, map[tf.Output]*tf.Tensor{}, m.eval.images, batch, int64(len(batch))); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		snapshot(t, m, loop.Resume) // 134 MB each
	}
	if after := resident(t); after > before+300<<20 {
		t.Errorf("the resident set grew from %d to %d MB", before>>20, after>>20)
	}
}

// resident returns the resident set of the process, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int64
	for _, c := range strings.Fields(string(b))[1] {
		pages = pages*10 + int64(c-'0')
	}
	return pages * int64(os.Getpagesize())
}

// stepWith returns a function that spoils a good batch and takes a step on it.
func stepWith(m *Model, spoil func(*loop.Batch), good loop.Batch) func() error {
	return func() error {
		spoil(&good)
		_, err := m.Step(good, loop.StepParams{Phase: loop.All, LearningRate: 1e-3, PhaseStep: 1})
		return err
	}
}

// small returns the configuration of a model of this depth for images of 32 pixels and six channels.
func small(depth int) Config {
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.ImageSize, h.Seed, h.EMA, h.Augment = 32, 7, 0, wire.Augment{}
	return Config{
		Architecture: resnet.Of(depth), Channels: 6,
		Mean: []float64{100, 110, 120, 130, 140, 150}, Std: []float64{50, 51, 52, 53, 54, 55},
		Hyper: h, Threads: 2,
	}
}

// toyBatch returns n images of noise. In channel 2 the defects, which are every second image, are brighter.
func toyBatch(c Config, n int, seed int64) loop.Batch {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	b := loop.Batch{
		Images:  make([]uint8, n*c.Hyper.ImageSize*c.Hyper.ImageSize*c.Channels),
		Labels:  make([]int32, n),
		Weights: make([]float32, n),
	}
	perImage := len(b.Images) / n
	for i := range b.Images {
		b.Images[i] = uint8(60 + r.IntN(120))
		if label := i / perImage % 2; label == 1 && i%c.Channels == 2 {
			b.Images[i] += 60
		}
	}
	for i := range n {
		b.Labels[i], b.Weights[i] = int32(i%2), 1
	}
	return b
}

func open(t *testing.T, c Config) *Model {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func takeStep(t *testing.T, m *Model, b loop.Batch, step int64) loop.StepResult {
	t.Helper()
	r, err := m.Step(b, loop.StepParams{Phase: loop.All, LearningRate: 1e-3, PhaseStep: step, Average: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func snapshot(t *testing.T, m *Model, kind loop.Kind) loop.Tensors {
	t.Helper()
	s, err := m.Snapshot(kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// differing returns the names of the tensors whose bits differ.
func differing(a, b loop.Tensors) []string {
	sameBits := func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }
	var names []string
	for i := range a {
		if a[i].Name != b[i].Name || !slices.EqualFunc(a[i].Data, b[i].Data, sameBits) {
			names = append(names, a[i].Name)
		}
	}
	return names
}
