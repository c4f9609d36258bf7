package session

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
)

// Explanation says where in one image the evidence for a defect lies.
type Explanation struct {
	Score float32 // l1 - l0, as Evaluate gives it

	// ClassActivation is the last stage's share in the score (Zhou et al., "Learning Deep Features for Discriminative Localization"):
	// its mean over the places, and the difference of the biases, are the score.
	ClassActivation Heat
	// GradCAM is what raises the score at the third stage (Selvaraju et al., "Grad-CAM"). Its grid is twice as fine as the last
	// stage's, which on small images has a handful of places.
	GradCAM Heat
}

// Heat is a map over an image: Side x Side values in [0,1], row by row. 1 is the image's own strongest place and 0 is what speaks for
// no defect or against one, so two maps are compared by their Peak alone.
type Heat struct {
	Side   int
	Values []float32
	Peak   float32 // what 1 stands for; 0 where nothing speaks for a defect
}

// explainAtOnce bounds the memory of one run: gradients of the last stage are kept beside its activations.
const explainAtOnce = loop.RunAtOnce / 4

// explainGraph explains images on the running statistics. images: [N,S,S,C] uint8 -> score: [N], class: [N,S/32,S/32], gradient:
// [N,S/16,S/16]
type explainGraph struct{ images, score, class, gradient tf.Output }

// drawExplain draws the explanation of images with the values that Evaluate scores with, in float32 as it does.
func (m *Model) drawExplain() *explainGraph {
	s := m.root.SubScope("explain")
	g := &explainGraph{images: m.imagePlaceholder(s)}
	pass := m.net.Forward(s, m.net.Normalise(s, g.images), resnet.Options{Values: m.evaluatedValue})
	g.score = resnet.Score(s.SubScope("score"), pass.Logits)
	g.class = m.drawClassActivation(s.SubScope("class"), pass.Stages[3])
	g.gradient = drawGradCAM(s.SubScope("gradcam"), g.score, pass.Stages[2])
	return g
}

// evaluatedValue is the value of a parameter that Evaluate scores with.
func (m *Model) evaluatedValue(p *resnet.Param) tf.Output {
	if m.averages != nil {
		return m.averages[p].value
	}
	return p.Value
}

// drawClassActivation: (fc.weight[1] - fc.weight[0]) . features, at each place. features: [N,h,w,F] -> [N,h,w]
func (m *Model) drawClassActivation(s *op.Scope, features tf.Output) tf.Output {
	for _, p := range m.net.Params {
		if p.Name != "fc.weight" {
			continue
		}
		classes := op.Unpack(s, m.evaluatedValue(p), resnet.Classes) // [2,F] -> [F], [F]
		if s.Err() != nil {
			return tf.Output{}
		}
		direction := op.Sub(s, classes[1], classes[0])
		weighted := op.Mul(s, op.Cast(s, features, tf.Float), direction)
		return op.Sum(s, weighted, op.Const(s.SubScope("features"), []int32{3}))
	}
	panic("session: the network has no fc.weight")
}

// drawGradCAM: relu(sum over F of w_F features_F), where w is the mean over the places of the score's gradient. Samples do not mix on
// running statistics, so the gradient of all scores' sum is each one's own. score: [N], features: [N,h,w,F] -> [N,h,w]
func drawGradCAM(s *op.Scope, score, features tf.Output) tf.Output {
	if s.Err() != nil {
		return tf.Output{} // the scope keeps its first error; drawing on would panic
	}
	gradients := op.Gradients(s.SubScope("gradients"), []tf.Output{score}, []tf.Output{features})
	if s.Err() != nil {
		return tf.Output{}
	}
	gradient := op.Cast(s.SubScope("gradient"), gradients[0], tf.Float)
	weights := op.Mean(s, gradient, op.Const(s.SubScope("places"), []int32{1, 2}), op.MeanKeepDims(true)) // [N,1,1,F]
	weighted := op.Mul(s, op.Cast(s, features, tf.Float), weights)
	return op.Relu(s, op.Sum(s, weighted, op.Const(s.SubScope("features"), []int32{3})))
}

// Explain says of n images, [n,S,S,C] uint8, where each one's evidence lies, with the weights that Evaluate scores with.
func (m *Model) Explain(images []uint8, n int) ([]Explanation, error) {
	size := m.imageBytes()
	if len(images) != n*size {
		return nil, fmt.Errorf("explain %d images: %d bytes, want %d", n, len(images), n*size)
	}
	explanations := make([]Explanation, 0, n)
	for from, to := range loop.Parts(n, explainAtOnce) {
		raw, err := m.explain(images[from*size:to*size], to-from)
		if err != nil {
			return nil, fmt.Errorf("explain images %d to %d: %w", from, to-1, err)
		}
		for i, score := range raw.scores {
			explanations = append(explanations, Explanation{Score: score, ClassActivation: heat(raw.class, i, len(raw.scores)), GradCAM: heat(raw.gradient, i, len(raw.scores))})
		}
	}
	return explanations, nil
}

// evidence is what a run of explainGraph fetches: n scores and n maps of either kind, one after the other.
type evidence struct{ scores, class, gradient []float32 }

func (m *Model) explain(images []uint8, n int) (e evidence, err error) {
	if m.explainer == nil {
		g := m.drawExplain()
		if err := m.root.Err(); err != nil {
			return e, fmt.Errorf("draw the explanation of depth %d: %w", m.config.Architecture.Depth, err)
		}
		m.explainer = g
	}
	g, side := m.explainer, int64(m.config.Hyper.ImageSize)
	feeds := map[tf.Output]*tf.Tensor{}
	if err := addFeed(m, feeds, g.images, images, int64(n), side, side, int64(m.config.Channels)); err != nil {
		return e, err
	}
	out, err := m.session.Run(feeds, []tf.Output{g.score, g.class, g.gradient}, nil)
	if err != nil {
		return e, err
	}
	for k, into := range []*[]float32{&e.scores, &e.class, &e.gradient} {
		if *into, err = floatsOf(out[k]); err != nil {
			return e, err
		}
	}
	return e, nil
}

// heat is the i-th of n square maps, scaled to its own highest place.
func heat(maps []float32, i, n int) Heat {
	places := len(maps) / n
	h := Heat{Values: make([]float32, places)}
	for h.Side = 1; h.Side*h.Side < places; {
		h.Side++
	}
	of := maps[i*places : (i+1)*places]
	for _, v := range of {
		h.Peak = max(h.Peak, v) // NaN stays NaN
	}
	if !(h.Peak > 0) || !finite(float64(h.Peak)) {
		h.Peak = 0
		return h
	}
	for k, v := range of {
		h.Values[k] = max(0, v/h.Peak)
	}
	return h
}
