package session

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tf "github.com/wamuir/graft/tensorflow"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
)

// At 64 pixels the last stage has 2x2 places and the third stage 4x4: enough to test the places of a map.
func TestExplanationsAreOfTheScoreThatIsEvaluated(t *testing.T) {
	c := small(18)
	c.Hyper.ImageSize, c.Hyper.EMA = 64, 0.5 // Evaluate uses the averages, so Explain must use them too
	m := open(t, c)
	const n = explainAtOnce + 2
	batch := toyBatch(c, n, 1)
	for step := int64(1); step <= 4; step++ {
		takeStep(t, m, toyBatch(c, 8, step), step)
	}
	scores, err := m.Evaluate(batch.Images, n)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Explain(batch.Images, n)
	if err != nil {
		t.Fatal(err)
	}
	bias := float32(0)
	for _, x := range snapshot(t, m, loop.Inference) {
		if x.Name == "fc.bias" {
			bias = x.Data[1] - x.Data[0]
		}
	}
	raw, err := m.explain(batch.Images, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got {
		if away := math.Abs(float64(e.Score - scores[i])); away > 1e-4 {
			t.Errorf("image %d: explained score %v, evaluated %v", i, e.Score, scores[i])
		}
		if sum := meanOf(raw.classActivation[i*4:(i+1)*4]) + bias; math.Abs(float64(sum-scores[i])) > 1e-4 {
			t.Errorf("image %d: the class activation's mean and the bias are %v, the score is %v", i, sum, scores[i])
		}
		if e.ClassActivation.Side != 2 || e.GradCAM.Side != 4 {
			t.Fatalf("image %d: maps of side %d and %d, want 2 and 4", i, e.ClassActivation.Side, e.GradCAM.Side)
		}
		for name, h := range map[string]Heat{"class activation": e.ClassActivation, "Grad-CAM": e.GradCAM} {
			if low, high := slices.Min(h.Values), slices.Max(h.Values); low < 0 || high > 1 || h.Peak > 0 && high != 1 {
				t.Errorf("image %d: %s reaches from %v to %v, with a peak of %v", i, name, low, high, h.Peak)
			}
		}
	}
	alone, err := m.Explain(batch.Images[:m.imageBytes()], 1)
	if err != nil {
		t.Fatal(err)
	}
	if one, among := alone[0].GradCAM.Peak, got[0].GradCAM.Peak; math.Abs(float64(one-among)) > 1e-4 {
		t.Errorf("image 0 has the peak %v alone, and %v among others", one, among)
	}
}

// Grad-CAM's weight of a feature is a derivative. The test measures it by finite differences: it changes the feature by
// a little at all places, and divides the change of the score by it.
func TestGradCAMWeighsFeaturesByFiniteDifferences(t *testing.T) {
	c := small(18)
	m := open(t, c)
	for step := int64(1); step <= 3; step++ {
		takeStep(t, m, toyBatch(c, 8, step), step)
	}
	// This pass is drawn by the test, so that the test can feed the output of its third stage: [1,2,2,256]
	s := m.root.SubScope("probe")
	images := m.imagePlaceholder(s)
	pass := m.net.Forward(s, m.net.Normalise(s, images), resnet.Options{Values: m.evaluatedValue})
	score := resnet.Score(s.SubScope("score"), pass.Logits)
	gradCAM := drawGradCAM(s.SubScope("gradcam"), score, pass.Stages[2])
	if err := m.root.Err(); err != nil {
		t.Fatal(err)
	}
	run := func(feeds map[tf.Output]*tf.Tensor, fetch tf.Output) []float32 {
		t.Helper()
		out, err := m.session.Run(feeds, []tf.Output{fetch}, nil)
		if err != nil {
			t.Fatal(err)
		}
		v, err := floatsOf(out[0])
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	feeds := map[tf.Output]*tf.Tensor{}
	if err := addFeed(m, feeds, images, toyBatch(c, 2, 5).Images[m.imageBytes():], 1, 32, 32, 6); err != nil {
		t.Fatal(err)
	}
	features := run(feeds, pass.Stages[2])
	const places, width, step = 4, 256, 0.004
	scoreAt := func(moved []float32) float64 {
		with, err := TensorOf(moved, 1, 2, 2, width)
		if err != nil {
			t.Fatal(err)
		}
		feeds[pass.Stages[2]] = with
		defer delete(feeds, pass.Stages[2])
		return float64(run(feeds, score)[0])
	}
	want := make([]float64, places)
	for f := range width {
		up, down := slices.Clone(features), slices.Clone(features)
		for p := range places {
			up[p*width+f] += step
			down[p*width+f] -= step
		}
		weight := (scoreAt(up) - scoreAt(down)) / (2 * step) / places
		for p := range places {
			want[p] += weight * float64(features[p*width+f])
		}
	}
	got, scale := run(feeds, gradCAM), 0.0
	for _, v := range want {
		scale = math.Max(scale, math.Abs(v))
	}
	if len(got) != places || len(features) != places*width || scale == 0 {
		t.Fatalf("%d places, %v", len(got), want)
	}
	for p := range got {
		if w := math.Max(0, want[p]); math.Abs(float64(got[p])-w) > 0.02*scale {
			t.Errorf("place %d: got %v, by finite differences %v (of %v)", p, got[p], w, want)
		}
	}
}

func TestHeatIsZeroWithoutEvidenceForADefect(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		in   []float32
		want Heat
	}{
		"evidence for and against": {[]float32{2, -1, 0, 4}, Heat{2, []float32{0.5, 0, 0, 1}, 4}},
		"evidence against alone":   {[]float32{-2, -1, -3, -4}, Heat{2, []float32{0, 0, 0, 0}, 0}},
		"a place that is a NaN":    {[]float32{1, nan, 1, 1}, Heat{2, []float32{0, 0, 0, 0}, 0}},
		"a network that overflows": {[]float32{1, 1, float32(math.Inf(1)), 1}, Heat{2, []float32{0, 0, 0, 0}, 0}},
	} {
		if diff := cmp.Diff(c.want, heat(c.in, 0, 1)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestExplainRefusesACutOffImage(t *testing.T) {
	m := open(t, small(18))
	_, err := m.Explain(make([]uint8, 5), 1)
	if want := "explain 1 images: 5 bytes, want 6144"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func meanOf(xs []float32) (mean float32) {
	for _, x := range xs {
		mean += x / float32(len(xs))
	}
	return mean
}
