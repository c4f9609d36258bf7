package session

import (
	"errors"
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// evalBatch is how many images are scored at once, always: the last batch is padded, so that a score does not depend on how
// many images were asked for.
const evalBatch = 32

// Model is one depth with its optimizer. It satisfies loop.Stepper. It is not safe for concurrent use.
type Model struct {
	config  Config
	net     *resnet.Net
	session *tf.Session
	train   trainGraph
	eval    evalGraph
	state   State   // everything, by name
	padded  []uint8 // Evaluate's batch
	fed     int     // bytes since the last collection, see feed
}

var _ loop.Stepper = (*Model)(nil)

// evalGraph scores images on the running statistics. images: [N,S,S,C] uint8 -> score: [N]
type evalGraph struct{ images, score tf.Output }

// New draws the model, opens its session and gives it its initial weights.
func New(c Config) (*Model, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	root := op.NewScope()
	net, err := resnet.New(root.SubScope("net"), c.Depth, resnet.Input{Channels: c.Channels, Mean: c.Mean, Std: c.Std})
	if err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	m := &Model{config: c, net: net, padded: make([]uint8, evalBatch*c.ImageSize*c.ImageSize*c.Channels)}

	// The evaluation comes first: it declares the parameters that the optimizer's slots are made for.
	m.eval = drawEval(root, net, c)
	slots := newSlots(root.SubScope("slots"), net.Params)
	m.train = drawTrain(root, net, slots, c)
	state := root.SubScope("state")
	m.state = DrawState(state, net.Params).withSlots(state, slots)
	graph, err := root.Finalize()
	if err != nil {
		return nil, fmt.Errorf("draw the graph of depth %d: %w", c.Depth, err)
	}
	if m.session, err = tf.NewSession(graph, Options(c.Threads, c.GPU)); err != nil {
		return nil, fmt.Errorf("open a TensorFlow session: %w", err)
	}
	return m, m.initialise(c.Seed)
}

func drawEval(root *op.Scope, net *resnet.Net, c Config) evalGraph {
	s := root.SubScope("eval")
	images := imagePlaceholder(s, c)
	logits, _ := net.Forward(s, images, resnet.Inference)
	return evalGraph{images: images, score: resnet.Score(s.SubScope("score"), logits)}
}

// Close frees the session. Its memory comes back at the next collections.
func (m *Model) Close() error { return m.session.Close() }

// Architecture is what the model's weights fit into, for a manifest.
func (m *Model) Architecture() wire.Architecture {
	parameters := int64(0)
	for _, p := range m.net.Params {
		if p.Trained {
			parameters += int64(p.Size())
		}
	}
	return wire.Architecture{
		Depth: m.config.Depth, Block: resnet.Block, Epsilon: resnet.Epsilon, PoolPadding: resnet.PoolPadding, Parameters: parameters,
	}
}

// Step takes one optimizer step on a batch of any size from 2. Two samples are what batch normalisation needs at least.
func (m *Model) Step(b loop.Batch, p loop.StepParams) (loop.StepResult, error) {
	if err := m.checkBatch(b, p); err != nil {
		return loop.StepResult{}, fmt.Errorf("step %d: %w", p.Step, err)
	}
	n, side := int64(len(b.Labels)), int64(m.config.ImageSize)
	feeds := map[tf.Output]*tf.Tensor{}
	err := errors.Join(
		feed(m, feeds, m.train.images, b.Images, n, side, side, int64(m.config.Channels)),
		feed(m, feeds, m.train.labels, b.Labels, n),
		feed(m, feeds, m.train.weights, b.Weights, n),
		feed(m, feeds, m.train.rates, adamWRates(m.config, p.LearningRate, p.Step), rateCount),
	)
	if err != nil {
		return loop.StepResult{}, fmt.Errorf("step %d: %w", p.Step, err)
	}
	out, err := m.session.Run(feeds, []tf.Output{m.train.loss, m.train.norm, m.train.finite}, []*tf.Operation{m.train.update})
	if err != nil {
		return loop.StepResult{}, fmt.Errorf("step %d: %w", p.Step, err)
	}
	return loop.StepResult{Loss: out[0].Value().(float32), GradNorm: out[1].Value().(float32), Finite: out[2].Value().(bool)}, nil
}

func (m *Model) checkBatch(b loop.Batch, p loop.StepParams) error {
	n := len(b.Labels)
	if n < 2 || len(b.Weights) != n || len(b.Images) != n*m.imageBytes() {
		return fmt.Errorf("a batch of %d labels, %d weights and %d bytes of images; an image has %d bytes, and two samples are the least",
			n, len(b.Weights), len(b.Images), m.imageBytes())
	}
	for i, l := range b.Labels {
		if l < 0 || l >= resnet.Classes {
			return fmt.Errorf("label %d at position %d is neither 0 nor 1", l, i)
		}
	}
	if !finite(float64(p.LearningRate)) || p.Step < 1 {
		return fmt.Errorf("learning rate %v must be finite, and the step at least 1", p.LearningRate)
	}
	return nil
}

// Evaluate scores n images, [n,S,S,C] uint8 -> [n], on the running statistics.
func (m *Model) Evaluate(images []uint8, n int) ([]float32, error) {
	size, side := m.imageBytes(), int64(m.config.ImageSize)
	if len(images) != n*size {
		return nil, fmt.Errorf("evaluate %d images: %d bytes, want %d", n, len(images), n*size)
	}
	scores := make([]float32, 0, n)
	for from := 0; from < n; from += evalBatch {
		to := min(from+evalBatch, n)
		rest := m.padded[copy(m.padded, images[from*size:to*size]):]
		clear(rest)
		feeds := map[tf.Output]*tf.Tensor{}
		if err := feed(m, feeds, m.eval.images, m.padded, evalBatch, side, side, int64(m.config.Channels)); err != nil {
			return nil, fmt.Errorf("evaluate images %d to %d: %w", from, to-1, err)
		}
		out, err := m.session.Run(feeds, []tf.Output{m.eval.score}, nil)
		if err != nil {
			return nil, fmt.Errorf("evaluate images %d to %d: %w", from, to-1, err)
		}
		scores = append(scores, out[0].Value().([]float32)[:to-from]...)
	}
	return scores, nil
}

func (m *Model) imageBytes() int { return m.config.ImageSize * m.config.ImageSize * m.config.Channels }
