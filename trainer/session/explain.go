package session

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
)

// Explanation says where in one image the evidence for a defect is.
type Explanation struct {
	Score float32 // logit 1 minus logit 0, as Evaluate returns it

	// ClassActivation is what each place of the last stage adds to the score (Zhou et al., "Learning Deep Features for
	// Discriminative Localization"). Before it is scaled to a Heat, its mean over the places plus the difference of the
	// head's biases is the score.
	ClassActivation Heat
	// GradCAM is where features of the third stage raise the score (Selvaraju et al., "Grad-CAM"). Its grid is twice as
	// fine as the last stage's, which has only a handful of places in a small image.
	GradCAM Heat
}

// Heat is a map over an image: Side x Side values in [0,1], row by row. 1 is the strongest place of this image. 0 is a
// place with no evidence for a defect, or with evidence against one. Since 1 means something else in each image,
// compare two maps by their Peak.
type Heat struct {
	Side   int
	Values []float32
	Peak   float32 // the evidence that 1 stands for; 0 where there is no evidence for a defect
}

// explainAtOnce bounds the images, and with them the memory, of one run: the gradients down to the third stage need
// memory beside the activations.
const explainAtOnce = loop.ScoreAtOnce / 4

// explainGraph explains images with the running statistics.
// images: [N,S,S,C] uint8 -> score: [N], classActivation: [N,S/32,S/32], gradCAM: [N,S/16,S/16]
type explainGraph struct{ images, score, classActivation, gradCAM tf.Output }

// drawExplain draws the explanation of images with the values that Evaluate scores with, and in float32 like Evaluate.
func (m *Model) drawExplain() *explainGraph {
	s := m.root.SubScope("explain")
	g := &explainGraph{images: m.imagePlaceholder(s)}
	pass := m.net.Forward(s, m.net.Normalise(s, g.images), resnet.Options{Values: m.evaluatedValue})
	g.score = resnet.Score(s.SubScope("score"), pass.Logits)
	g.classActivation = m.drawClassActivation(s.SubScope("class"), pass.Stages[3])
	g.gradCAM = drawGradCAM(s.SubScope("gradcam"), g.score, pass.Stages[2])
	return g
}

// drawClassActivation draws (fc.weight[1] - fc.weight[0]) . features at each place. features: [N,h,w,F] -> [N,h,w]
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

// drawGradCAM draws relu(sum over F of w_F features_F), where w_F is the mean over the places of the score's gradient.
// score: [N], features: [N,h,w,F] -> [N,h,w]
//
// op.Gradients returns the gradient of the sum of all scores. With running statistics a sample's features reach no
// other sample's score, so this is the gradient of each sample's own score.
func drawGradCAM(s *op.Scope, score, features tf.Output) tf.Output {
	if s.Err() != nil {
		return tf.Output{} // op.Gradients would panic
	}
	gradients := op.Gradients(s.SubScope("gradients"), []tf.Output{score}, []tf.Output{features})
	if s.Err() != nil {
		return tf.Output{}
	}
	gradient := op.Cast(s.SubScope("gradient"), gradients[0], tf.Float)
	places := op.Const(s.SubScope("places"), []int32{1, 2})
	weights := op.Mean(s, gradient, places, op.MeanKeepDims(true)) // [N,1,1,F]
	weighted := op.Mul(s, op.Cast(s, features, tf.Float), weights)
	return op.Relu(s, op.Sum(s, weighted, op.Const(s.SubScope("features"), []int32{3})))
}

// Explain returns for each of n images where its evidence is, with the weights that Evaluate scores with.
// images: [n,S,S,C] uint8
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
			explanations = append(explanations, Explanation{
				Score:           score,
				ClassActivation: heat(raw.classActivation, i, len(raw.scores)),
				GradCAM:         heat(raw.gradCAM, i, len(raw.scores)),
			})
		}
	}
	return explanations, nil
}

// evidence is what one run of explainGraph returns: n scores, and n maps of each kind, one after the other.
type evidence struct{ scores, classActivation, gradCAM []float32 }

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
	out, err := m.session.Run(feeds, []tf.Output{g.score, g.classActivation, g.gradCAM}, nil)
	if err != nil {
		return e, err
	}
	for k, into := range []*[]float32{&e.scores, &e.classActivation, &e.gradCAM} {
		if *into, err = floatsOf(out[k]); err != nil {
			return e, err
		}
	}
	return e, nil
}

// heat returns the i-th of n square maps, scaled so that its highest place is 1. A map without a place above 0, or with
// a value that is not finite, becomes all 0 with a Peak of 0.
func heat(maps []float32, i, n int) Heat {
	places := len(maps) / n
	h := Heat{Values: make([]float32, places)}
	for h.Side = 1; h.Side*h.Side < places; {
		h.Side++
	}
	raw := maps[i*places : (i+1)*places]
	for _, v := range raw {
		h.Peak = max(h.Peak, v) // NaN if any v is NaN
	}
	if !(h.Peak > 0) || !finite(float64(h.Peak)) {
		h.Peak = 0
		return h
	}
	for k, v := range raw {
		h.Values[k] = max(0, v/h.Peak)
	}
	return h
}
