package session

import (
	"errors"
	"fmt"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// evalBatch is how many images are scored in each run. The last run is padded, so that a score does not depend on how many images were
// asked for.
const evalBatch = loop.RunAtOnce

// Model is one depth with its optimizer. It satisfies loop.Stepper. It is not safe for concurrent use.
type Model struct {
	config  Config
	root    *op.Scope
	session *tf.Session

	net          *resnet.Net
	optimizer    optimizer
	averages     map[*resnet.Param]variable // nil where none are kept
	accumulators map[*resnet.Param]variable // nil until a graph needs them

	// Graphs over these variables. All but the first are drawn when they are first used.
	eval       evalGraph
	train      map[loop.Phase]*trainGraph
	reestimate *reestimateGraph
	explainer  *explainGraph

	state    State // everything that a resumed trial needs, by name
	weights  State // what is evaluated: averages where they are kept
	raw      State // weights and statistics themselves
	restarts []*tf.Operation

	padded []uint8 // Evaluate's batch
	fed    int     // bytes since the last collection, see addFeed
}

var _ loop.Stepper = (*Model)(nil)

// evalGraph scores images on the running statistics. images: [N,S,S,C] uint8 -> score: [N]
type evalGraph struct{ images, score tf.Output }

// New draws the model, opens its session and gives it its initial weights.
func New(c Config) (*Model, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	graph := tf.NewGraph()
	root := op.NewScopeWithGraph(graph)
	net, err := resnet.New(root.SubScope("net"), c.Architecture, resnet.Input{Channels: c.Channels, Mean: c.Mean, Std: c.Std})
	if err != nil {
		return nil, fmt.Errorf("configure the model: %w", err)
	}
	size := c.Hyper.ImageSize
	m := &Model{config: c, root: root, net: net, train: map[loop.Phase]*trainGraph{}, padded: make([]uint8, evalBatch*size*size*c.Channels)}

	// The evaluation comes first: it declares the parameters that slots and averages stand beside.
	m.eval = m.drawEval("eval", nil)
	m.optimizer = newOptimizer(root.SubScope("slots"), c.Hyper, net.Params)
	if c.Hyper.EMA > 0 {
		m.averages = variablesBeside(root.SubScope("averages"), averagePrefix, net.Params)
		m.eval = m.drawEval("eval-averages", func(p *resnet.Param) tf.Output { return m.averages[p].value })
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

// drawEval draws the scoring of images with these values of the parameters; nil: their present ones. It computes in float32 whatever
// the trial is trained in: what is selected on, calibrated and recorded must be what the exported model, which is float32, will say.
func (m *Model) drawEval(name string, values func(*resnet.Param) tf.Output) evalGraph {
	s := m.root.SubScope(name)
	images := m.imagePlaceholder(s)
	pass := m.net.Forward(s, m.net.Normalise(s, images), resnet.Options{Values: values})
	return evalGraph{images: images, score: resnet.Score(s.SubScope("score"), pass.Logits)}
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
	a := m.config.Architecture
	return wire.Architecture{Depth: a.Depth, Block: a.Block, Epsilon: a.Epsilon, PoolPadding: resnet.PoolPadding, Parameters: parameters}
}

// Step takes one optimizer step on a batch that the parts of Hyper.Accumulate divide. Two samples are what batch normalisation needs
// at least.
func (m *Model) Step(b loop.Batch, p loop.StepParams) (loop.StepResult, error) {
	result, err := m.step(b, p)
	if err != nil && strings.Contains(err.Error(), "OOM when allocating") { // TensorFlow's words; graft keeps no code
		err = fmt.Errorf("%w: %d samples of %d pixels at depth %d: %w", loop.ErrMemory,
			len(b.Labels)/m.config.Hyper.Accumulate, m.config.Hyper.ImageSize, m.config.Architecture.Depth, err)
	}
	if err != nil {
		return loop.StepResult{}, fmt.Errorf("step %d of phase %s: %w", p.PhaseStep, p.Phase, err)
	}
	return result, nil
}

func (m *Model) step(b loop.Batch, p loop.StepParams) (result loop.StepResult, err error) {
	if err := m.checkBatch(b, p); err != nil {
		return result, err
	}
	g, err := m.trainGraph(p.Phase)
	if err != nil {
		return result, err
	}
	var total float32
	for _, w := range b.Weights {
		total += w
	}
	n := len(b.Labels)
	size := n / m.config.Hyper.Accumulate
	for from := 0; from < n; from += size {
		feeds := map[tf.Output]*tf.Tensor{}
		if err := m.feedPart(feeds, g, b, from, from+size, total, p); err != nil {
			return result, err
		}
		if from+size < n {
			out, err := m.session.Run(feeds, []tf.Output{g.loss}, []*tf.Operation{g.accumulate})
			if err != nil {
				return result, err
			}
			result.Loss += out[0].Value().(float32)
			continue
		}
		out, err := m.session.Run(feeds, []tf.Output{g.loss, g.norm, g.finite}, []*tf.Operation{g.update})
		if err != nil {
			return result, err
		}
		result.Loss += out[0].Value().(float32)
		result.GradNorm, result.Finite = out[1].Value().(float32), out[2].Value().(bool)
	}
	return result, nil
}

// trainGraph returns the graph of a phase, which is drawn when it is first asked for.
func (m *Model) trainGraph(phase loop.Phase) (*trainGraph, error) {
	if g := m.train[phase]; g != nil {
		return g, nil
	}
	had := m.accumulators != nil
	g := m.drawTrain(phase)
	var zeros []*tf.Operation
	if !had {
		for p, v := range m.accumulators {
			zeros = append(zeros, assignZeros(m.root.SubScope("first/"+p.Name), v.handle, p))
		}
	}
	if err := m.root.Err(); err != nil {
		return nil, fmt.Errorf("draw the training of depth %d: %w", m.config.Architecture.Depth, err)
	}
	if len(zeros) > 0 {
		if _, err := m.session.Run(nil, nil, zeros); err != nil {
			return nil, fmt.Errorf("empty the accumulators: %w", err)
		}
	}
	m.train[phase] = g
	return g, nil
}

// feedPart feeds the samples from..to of a batch.
func (m *Model) feedPart(feeds map[tf.Output]*tf.Tensor, g *trainGraph, b loop.Batch, from, to int, total float32, p loop.StepParams) error {
	n, side, c := int64(to-from), int64(m.config.Hyper.ImageSize), m.config.Channels
	image := m.imageBytes()
	errs := []error{
		addFeed(m, feeds, g.images, b.Images[from*image:to*image], n, side, side, int64(c)),
		addFeed(m, feeds, g.labels, b.Labels[from:to], n),
		addFeed(m, feeds, g.weights, b.Weights[from:to], n),
		addFeed(m, feeds, g.total, []float32{total}),
		addFeed(m, feeds, g.rates, rates(m.config.Hyper, p), rateCount),
	}
	if a := b.Augment; m.config.Hyper.Augment.Any() {
		errs = append(errs,
			addFeed(m, feeds, g.augment.gain, a.Gain[from*c:to*c], n, int64(c)),
			addFeed(m, feeds, g.augment.offset, a.Offset[from*c:to*c], n, int64(c)))
		if m.moves() {
			errs = append(errs, addFeed(m, feeds, g.augment.transforms, a.Transforms[from*8:to*8], n, 8))
		}
		if g.augment.noise {
			key := [2]int32{a.Key[0], a.Key[1] + int32(from)} // each part has noise of its own
			errs = append(errs, addFeed(m, feeds, g.augment.key, key[:], 2))
		}
	}
	return errors.Join(errs...)
}

func (m *Model) moves() bool {
	return m.config.Hyper.Augment.Shift > 0 || m.config.Hyper.Augment.Rotate > 0
}

func (m *Model) checkBatch(b loop.Batch, p loop.StepParams) error {
	n := len(b.Labels)
	if err := wire.CheckBatch(n, m.config.Hyper.Accumulate); err != nil {
		return err
	}
	if len(b.Weights) != n || len(b.Images) != n*m.imageBytes() {
		return fmt.Errorf("a batch of %d labels, %d weights and %d bytes of images, where an image has %d bytes",
			n, len(b.Weights), len(b.Images), m.imageBytes())
	}
	for i, l := range b.Labels {
		if l < 0 || l >= resnet.Classes {
			return fmt.Errorf("label %d at position %d is neither 0 nor 1", l, i)
		}
	}
	if m.config.Hyper.Augment.Any() {
		if a := b.Augment; a == nil || len(a.Transforms) != 8*n || len(a.Gain) != n*m.config.Channels || len(a.Offset) != n*m.config.Channels {
			return fmt.Errorf("a batch of %d samples does not say how each is to be augmented", n)
		}
	}
	if !finite(float64(p.LearningRate)) || !finite(float64(p.Average)) || p.PhaseStep < 1 {
		return fmt.Errorf("learning rate %v and share %v must be finite, and the step at least 1", p.LearningRate, p.Average)
	}
	return nil
}

// Restart empties the optimizer's slots and lets averages begin from the weights as they are.
func (m *Model) Restart() error {
	if _, err := m.session.Run(nil, nil, m.restarts); err != nil {
		return fmt.Errorf("begin a phase: %w", err)
	}
	return nil
}

// reestimateGraph measures a batch and moves the running statistics to it by a share.
type reestimateGraph struct {
	images, share, finite tf.Output
	update                *tf.Operation
}

func (m *Model) drawReestimate() *reestimateGraph {
	s := m.root.SubScope("reestimate")
	g := &reestimateGraph{images: m.imagePlaceholder(s), share: op.Placeholder(s.SubScope("share"), tf.Float, op.PlaceholderShape(tf.ScalarShape()))}
	pass := m.net.Forward(s, m.net.Normalise(s, g.images), resnet.Options{Mode: resnet.Training, Compute: m.config.compute()})
	g.finite = allFinite(s.SubScope("finite"), sum(s.SubScope("logits"), pass.Logits), nil, pass.Measured)
	updates, _ := followStatistics(s.SubScope("statistics"), pass.Measured, gate(s.SubScope("share"), g.share, g.finite))
	g.update = op.NoOp(s.SubScope("update").WithControlDependencies(updates...))
	return g
}

func sum(s *op.Scope, x tf.Output) tf.Output {
	return op.Sum(s, x, op.Const(s.SubScope("all"), []int32{0, 1}))
}

// Reestimate moves the running statistics towards those of the k-th of some batches of equal size, k from 1, so that after the last
// they are the mean over all of them. Nothing else changes. images: [n,S,S,C]
func (m *Model) Reestimate(images []uint8, n, k int) error {
	if m.reestimate == nil {
		g := m.drawReestimate()
		if err := m.root.Err(); err != nil {
			return fmt.Errorf("draw the re-estimation: %w", err)
		}
		m.reestimate = g
	}
	g, side := m.reestimate, int64(m.config.Hyper.ImageSize)
	if err := wire.CheckBatch(n, 1); err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	if len(images) != n*m.imageBytes() || k < 1 {
		return fmt.Errorf("re-estimate statistics on %d images of %d bytes, batch %d", n, len(images), k)
	}
	feeds := map[tf.Output]*tf.Tensor{}
	err := errors.Join(
		addFeed(m, feeds, g.images, images, int64(n), side, side, int64(m.config.Channels)),
		addFeed(m, feeds, g.share, []float32{1 / float32(k)}))
	if err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	out, err := m.session.Run(feeds, []tf.Output{g.finite}, []*tf.Operation{g.update})
	if err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	if !out[0].Value().(bool) {
		return fmt.Errorf("re-estimate statistics: those of batch %d are not finite", k)
	}
	return nil
}

// Evaluate scores n images, [n,S,S,C] uint8 -> [n], on the running statistics, with the averages where they are kept.
func (m *Model) Evaluate(images []uint8, n int) ([]float32, error) {
	size, side := m.imageBytes(), int64(m.config.Hyper.ImageSize)
	if len(images) != n*size {
		return nil, fmt.Errorf("evaluate %d images: %d bytes, want %d", n, len(images), n*size)
	}
	scores := make([]float32, 0, n)
	for from, to := range loop.Parts(n, evalBatch) {
		rest := m.padded[copy(m.padded, images[from*size:to*size]):]
		clear(rest)
		feeds := map[tf.Output]*tf.Tensor{}
		if err := addFeed(m, feeds, m.eval.images, m.padded, evalBatch, side, side, int64(m.config.Channels)); err != nil {
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

func (m *Model) imageBytes() int {
	return m.config.Hyper.ImageSize * m.config.Hyper.ImageSize * m.config.Channels
}
