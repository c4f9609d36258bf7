package export

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
	"google.golang.org/protobuf/proto"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// Model is the part of a checkpoint that is exported: what a prediction depends on in the manifest, and the inference
// tensors.
type Model struct {
	Architecture wire.Architecture
	Input        wire.Input
	Calibration  wire.Calibration
	Tensors      checkpoint.Tensors // weights and statistics, without slots
	Threads      int                // of TensorFlow, while it writes
}

// Write writes a SavedModel in TensorFlow Serving's layout to dir: saved_model.pb and variables/. The same model gives
// the same bytes. dir may exist, but must not hold a model. While Write runs, dir holds a part of the model: a caller
// that needs the model to appear whole writes it to another directory and renames that.
func Write(dir string, m Model) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("export a model: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("export a model: %w", err)
	}
	variables := filepath.Join(dir, "variables")
	if err := os.Mkdir(variables, 0o755); err != nil {
		return fmt.Errorf("export a model: %w", err)
	}
	g, err := draw(m)
	if err != nil {
		return fmt.Errorf("export a model: %w", err)
	}
	if err := g.saveVariables(filepath.Join(variables, "variables"), m); err != nil {
		return fmt.Errorf("write %s: %w", variables, err)
	}
	file := filepath.Join(dir, "saved_model.pb")
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(g.savedModel(m))
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		return fmt.Errorf("export a model: %w", err)
	}
	return nil
}

// check refuses settings of a network that this package does not draw: the weights would fit it, but the predictions
// would be wrong. It refuses calibrations and image sizes that cannot be served, too.
func (m Model) check() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	a, c := m.Architecture, m.Calibration
	need(a.PoolPadding == resnet.PoolPadding, "pool padding %q is not %s", a.PoolPadding, resnet.PoolPadding)
	need(c.Temperature > 0, "temperature %v is not above 0", c.Temperature)
	need(c.Comparator == ">=", "comparator %q is not >=", c.Comparator)
	need(m.Input.Size >= 32, "image size %d is below 32", m.Input.Size)
	return errors.Join(errs...)
}

// graph is the served graph: its input, its outputs, and how its variables are saved and restored.
type graph struct {
	net                          *resnet.Net
	image                        tf.Output // [N,S,S,C] uint8
	logit, probability, decision tf.Output // [N]
	file                         tf.Output // placeholder for the file name to save to and restore from
	saved                        tf.Output // the same file name; fetching it runs save first
	save, restore                *tf.Operation
	drawn                        *tf.Graph
	def                          *graphpb.GraphDef // the drawn graph, as a protocol buffer
}

// draw draws the served graph. image: [N,S,S,C] uint8 -> score: [N] -> logit, probability, decision: [N] each
func draw(m Model) (*graph, error) {
	root := op.NewScope()
	input := resnet.Input{Channels: len(m.Input.Channels), Mean: m.Input.Mean, Std: m.Input.Std}
	net, err := resnet.New(root.SubScope("net"), resnet.Architecture{
		Depth:   m.Architecture.Depth,
		Block:   m.Architecture.Block,
		Epsilon: m.Architecture.Epsilon,
		Classes: resnet.Classes,
	}, input)
	if err != nil {
		return nil, err
	}
	g := &graph{net: net}
	s := root.SubScope("serve")
	side := int64(m.Input.Size)
	shape := tf.MakeShape(-1, side, side, int64(input.Channels))
	g.image = op.Placeholder(s.SubScope("image"), tf.Uint8, op.PlaceholderShape(shape))
	pass := net.Forward(s, net.Normalise(s, g.image), resnet.Options{})
	g.decide(s, resnet.Score(s.SubScope("score"), pass.Logits), m.Calibration)
	g.drawSaver(root.SubScope("saver"))
	if g.drawn, err = root.Finalize(); err != nil {
		return nil, err
	}
	g.def, err = definition(g.drawn)
	return g, err
}

// decide draws the outputs: it undoes the prior shift and the temperature, and compares the logit with the threshold.
// score: [N] -> logit, probability, decision: [N] each
func (g *graph) decide(s *op.Scope, score tf.Output, c wire.Calibration) {
	shift := op.Const(s.SubScope("shift"), float32(c.Shift))
	temperature := op.Const(s.SubScope("temperature"), float32(c.Temperature))
	threshold := op.Const(s.SubScope("threshold"), float32(c.Threshold))
	l := s.SubScope("logit")
	g.logit = op.RealDiv(l, op.Sub(l, score, shift), temperature)
	g.probability = op.Sigmoid(s.SubScope("probability"), g.logit)
	d := s.SubScope("decision")
	g.decision = op.Cast(d, op.GreaterEqual(d, g.logit, threshold), tf.Int64)
}

// drawSaver draws the operations that save the variables to a file and restore them from it. The name of the file is
// fed. A loader of a SavedModel runs restore.
func (g *graph) drawSaver(s *op.Scope) {
	var names, parts []string
	var values []tf.Output
	var types []tf.DataType
	for _, p := range g.net.Params {
		names, parts = append(names, p.Name), append(parts, "") // "": the whole tensor
		values, types = append(values, p.Value), append(types, tf.Float)
	}
	g.file = op.Placeholder(s.SubScope("file"), tf.String, op.PlaceholderShape(tf.ScalarShape()))
	all := op.Const(s.SubScope("names"), names)
	whole := op.Const(s.SubScope("slices"), parts)
	g.save = op.SaveV2(s, g.file, all, whole, values)
	g.saved = op.Identity(s.WithControlDependencies(g.save), g.file)
	restored := op.RestoreV2(s, g.file, all, whole, types)
	if s.Err() != nil {
		return // after an error restored has no outputs to index
	}
	var assigns []*tf.Operation
	for i, p := range g.net.Params {
		assigns = append(assigns, op.AssignVariableOp(s.SubScope(p.Name), p.Handle, restored[i]))
	}
	g.restore = op.NoOp(s.SubScope("restore").WithControlDependencies(assigns...))
}

// saveVariables sets the variables to the model's tensors and lets TensorFlow save them. It draws more operations to
// set the variables. They are not in the served graph, because draw has already taken the definition.
func (g *graph) saveVariables(prefix string, m Model) error {
	s := op.NewScopeWithGraph(g.drawn).SubScope("set")
	state := session.DrawState(s, g.net.Params)
	if err := s.Err(); err != nil {
		return err
	}
	sess, err := tf.NewSession(g.drawn, session.Options(m.Threads, false))
	if err != nil {
		return err
	}
	defer func() { _ = sess.Close() }()
	if err := state.Set(sess, m.Tensors); err != nil {
		return err
	}
	file, err := tf.NewTensor(prefix)
	if err != nil {
		return err
	}
	_, err = sess.Run(map[tf.Output]*tf.Tensor{g.file: file}, nil, []*tf.Operation{g.save})
	return err
}

// definition returns the graph as TensorFlow writes it down.
func definition(g *tf.Graph) (*graphpb.GraphDef, error) {
	var b bytes.Buffer
	if _, err := g.WriteTo(&b); err != nil {
		return nil, err
	}
	def := &graphpb.GraphDef{}
	return def, proto.Unmarshal(b.Bytes(), def)
}

// savedModel describes the graph to a loader.
func (g *graph) savedModel(m Model) *pb.SavedModel {
	return &pb.SavedModel{SavedModelSchemaVersion: 1, MetaGraphs: []*pb.MetaGraphDef{{
		MetaInfoDef: &pb.MetaGraphDef_MetaInfoDef{Tags: []string{tag}, TensorflowVersion: tf.Version()},
		GraphDef:    g.def,
		SaverDef: &pb.SaverDef{
			FilenameTensorName: tensorName(g.file),
			SaveTensorName:     tensorName(g.saved),
			RestoreOpName:      g.restore.Name(),
			MaxToKeep:          1,
			Version:            pb.SaverDef_V2,
		},
		SignatureDef: map[string]*pb.SignatureDef{signature: g.signature(m)},
	}}}
}
