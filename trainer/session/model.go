package session

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// evalBatch is how many images are scored in each run. The last run is padded to it: a kernel may sum in another order
// for another size of batch, and a score must not depend on how many images were asked for.
const evalBatch = loop.ScoreAtOnce

// Model is one depth with its optimizer. It satisfies loop.Stepper. It is not safe for concurrent use.
type Model struct {
	config  Config
	root    *op.Scope
	session *tf.Session

	net          *resnet.Net
	optimizer    optimizer
	averages     map[*resnet.Param]variable // nil where no averages are kept
	accumulators map[*resnet.Param]variable // sums of gradients over a batch's parts; nil until a graph needs them

	// Graphs over these variables. All but the first are drawn when they are first used.
	eval       evalGraph
	train      map[loop.Phase]*trainGraph
	reestimate *reestimateGraph
	explainer  *explainGraph

	// The variables by name, as snapshots hold them.
	resumeState    State // every variable that a resumed trial needs
	inferenceState State // what Evaluate uses, named as the weights and statistics: the averages where they are kept
	rawState       State // the weights and statistics themselves, also where averages are kept

	restarts []*tf.Operation // what Restart runs

	padded   []uint8 // Evaluate's batch
	fedBytes int     // bytes fed since the last garbage collection, see addFeed
}

var _ loop.Stepper = (*Model)(nil)

// evalGraph scores images with the running statistics. images: [N,S,S,C] uint8 -> score: [N]
type evalGraph struct{ images, score tf.Output }

// New draws the model, opens its session and sets its initial weights.
func New(c Config) (*Model, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	graph := tf.NewGraph()
	root := op.NewScopeWithGraph(graph)
	input := resnet.Input{Channels: c.Channels, Mean: c.Mean, Std: c.Std}
	net, err := resnet.New(root.SubScope("net"), c.Architecture, input)
	if err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	m := &Model{config: c, root: root, net: net, train: map[loop.Phase]*trainGraph{}}
	m.padded = make([]uint8, evalBatch*m.imageBytes())

	// The evaluation is drawn first: its forward pass declares the parameters, which slots and averages need.
	m.eval = m.drawEval("eval", nil)
	m.optimizer = newOptimizer(root.SubScope("slots"), c.Hyper, net.Params)
	if c.Hyper.EMA > 0 {
		m.averages = variablesBeside(root.SubScope("averages"), averagePrefix, net.Params)
		m.eval = m.drawEval("eval-averages", m.evaluatedValue)
	}
	m.drawState()
	if err := root.Err(); err != nil {
		return nil, fmt.Errorf("draw the graph of depth %d: %w", c.Architecture.Depth, err)
	}
	if m.session, err = tf.NewSession(graph, Options(c.Threads, c.GPU)); err != nil {
		return nil, fmt.Errorf("open a TensorFlow session: %w", err)
	}
	return m, m.initialise()
}

// drawEval draws the scoring of images. values returns the value of a parameter to score with; nil: its present value.
//
// It always computes in float32, also if the trial trains in half precision. A score is selected on, calibrated and
// recorded, so it must be what the exported model will return, and that model computes in float32.
func (m *Model) drawEval(name string, values func(*resnet.Param) tf.Output) evalGraph {
	s := m.root.SubScope(name)
	images := m.imagePlaceholder(s)
	pass := m.net.Forward(s, m.net.Normalise(s, images), resnet.Options{Values: values})
	return evalGraph{images: images, score: resnet.Score(s.SubScope("score"), pass.Logits)}
}

// evaluatedValue returns the value of a parameter that Evaluate scores with: its average, where averages are kept.
func (m *Model) evaluatedValue(p *resnet.Param) tf.Output {
	if m.averages != nil {
		return m.averages[p].value
	}
	return p.Value
}

// imagePlaceholder draws the input of a graph: [N,S,S,C] uint8
func (m *Model) imagePlaceholder(s *op.Scope) tf.Output {
	side, channels := int64(m.config.Hyper.ImageSize), int64(m.config.Channels)
	return op.Placeholder(s.SubScope("images"), tf.Uint8, op.PlaceholderShape(tf.MakeShape(-1, side, side, channels)))
}

// imageBytes is the size of one image.
func (m *Model) imageBytes() int {
	return m.config.Hyper.ImageSize * m.config.Hyper.ImageSize * m.config.Channels
}

// Close frees the session. Its memory comes back in the next garbage collections.
func (m *Model) Close() error { return m.session.Close() }

// Architecture describes, for a manifest, the network that the model's weights fit into.
func (m *Model) Architecture() wire.Architecture {
	parameters := int64(0)
	for _, p := range m.net.Params {
		if p.Trained {
			parameters += int64(p.Size())
		}
	}
	a := m.config.Architecture
	return wire.Architecture{
		Depth:       a.Depth,
		Block:       a.Block,
		Epsilon:     a.Epsilon,
		PoolPadding: resnet.PoolPadding,
		Parameters:  parameters,
	}
}

// Evaluate scores n images with the running statistics, and with averaged weights and statistics where averages are
// kept. images: [n,S,S,C] uint8 -> [n]
func (m *Model) Evaluate(images []uint8, n int) ([]float32, error) {
	size, side := m.imageBytes(), int64(m.config.Hyper.ImageSize)
	if len(images) != n*size {
		return nil, fmt.Errorf("evaluate %d images: %d bytes, want %d", n, len(images), n*size)
	}
	scores := make([]float32, 0, n)
	for from, to := range loop.Parts(n, evalBatch) {
		padding := m.padded[copy(m.padded, images[from*size:to*size]):]
		clear(padding)
		feeds := map[tf.Output]*tf.Tensor{}
		err := addFeed(m, feeds, m.eval.images, m.padded, evalBatch, side, side, int64(m.config.Channels))
		if err != nil {
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
