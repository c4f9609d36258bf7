package session

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// averagePrefix and the name of a weight or statistic are the name of its average.
const averagePrefix = "average/"

// stateVariable is one variable as a checkpoint sees it: in torchvision's name, shape and layout.
type stateVariable struct {
	name   string
	role   string
	param  *resnet.Param
	out    tf.Output     // the value
	in     tf.Output     // where a value is fed
	assign *tf.Operation // takes what is fed
}

// dims is the shape in torchvision's layout.
func (v stateVariable) dims() []int64 {
	d := make([]int64, len(v.param.Shape))
	for i, n := range v.param.Shape {
		d[i] = int64(n)
	}
	return d
}

// State is a set of variables that can be read and set by name.
type State []stateVariable

// DrawState draws how the parameters of a network are read and set.
func DrawState(s *op.Scope, params []*resnet.Param) State {
	var state State
	for _, p := range params {
		state = append(state, drawVariable(s, p.Name, roleOf(p), p, p.Handle, p.Value))
	}
	return state.sorted()
}

// drawState draws how everything is read, set and begun anew.
func (m *Model) drawState() {
	s := m.root.SubScope("state")
	m.raw = DrawState(s, m.net.Params)
	m.weights, m.state = m.raw, slices.Clone(m.raw)
	for k, prefix := range slotNames[m.config.Hyper.Optimizer] {
		for _, p := range trained(m.net.Params) {
			slot := m.optimizer.slots[k][p]
			m.state = append(m.state, drawVariable(s, prefix+p.Name, wire.RoleSlot, p, slot.handle, slot.value))
			m.restarts = append(m.restarts, assignZeros(s.SubScope("restart/"+prefix+p.Name), slot.handle, p))
		}
	}
	if m.averages != nil {
		m.weights = nil
		for _, p := range m.net.Params {
			v := m.averages[p]
			drawn := drawVariable(s, averagePrefix+p.Name, wire.RoleAverage, p, v.handle, v.value)
			m.state = append(m.state, drawn)
			drawn.name, drawn.role = p.Name, roleOf(p)
			m.weights = append(m.weights, drawn)
			m.restarts = append(m.restarts, op.AssignVariableOp(s.SubScope("restart/"+averagePrefix+p.Name), v.handle, p.Value))
		}
	}
	m.state, m.weights = m.state.sorted(), m.weights.sorted()
}

func roleOf(p *resnet.Param) string {
	if p.Trained {
		return wire.RoleWeight
	}
	return wire.RoleStatistic
}

// assignZeros draws the emptying of a variable of p's shape.
func assignZeros(s *op.Scope, handle tf.Output, p *resnet.Param) *tf.Operation {
	z := s.SubScope("zeros")
	return op.AssignVariableOp(s, handle, op.Fill(z, op.Const(z, int32s(p.TensorFlowShape())), op.Const(z.SubScope("value"), float32(0))))
}

func (st State) sorted() State {
	slices.SortFunc(st, func(a, b stateVariable) int { return strings.Compare(a.name, b.name) })
	return st
}

func drawVariable(s *op.Scope, name, role string, p *resnet.Param, handle, value tf.Output) stateVariable {
	v := stateVariable{name: name, role: role, param: p}
	u := s.SubScope(name)
	v.out = p.ToTorch(u.SubScope("out"), value)
	v.in = op.Placeholder(u, tf.Float, op.PlaceholderShape(tf.MakeShape(v.dims()...)))
	v.assign = op.AssignVariableOp(u, handle, p.FromTorch(u.SubScope("in"), v.in))
	return v
}

func int32s(xs []int64) []int32 {
	out := make([]int32, len(xs))
	for i, x := range xs {
		out[i] = int32(x)
	}
	return out
}

// initialise sets the weights that training from nothing starts with.
func (m *Model) initialise() error {
	var first loop.Tensors
	for _, v := range m.raw {
		first = append(first, loop.Tensor{Name: v.name, Shape: v.param.Shape, Data: v.param.Initial(m.config.Hyper.Seed)})
	}
	if err := m.raw.Set(m.session, first); err != nil {
		return fmt.Errorf("set the initial weights: %w", err)
	}
	return m.Restart()
}

// stateOf lists the variables that a snapshot of this kind holds, by name.
func (m *Model) stateOf(kind loop.Kind) State {
	if kind == loop.Resume {
		return m.state
	}
	return m.weights
}

// Snapshot copies the variables out, in torchvision's names and layouts.
func (m *Model) Snapshot(kind loop.Kind) (loop.Tensors, error) {
	variables := m.stateOf(kind)
	fetches := make([]tf.Output, len(variables))
	for i, v := range variables {
		fetches[i] = v.out
	}
	out, err := m.session.Run(nil, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch a %s snapshot: %w", kind, err)
	}
	tensors := make(loop.Tensors, len(variables))
	for i, v := range variables {
		data, err := floatsOf(out[i])
		if err != nil {
			return nil, fmt.Errorf("fetch %s: %w", v.name, err)
		}
		tensors[i] = loop.Tensor{Name: v.name, Role: v.role, Shape: slices.Clone(v.param.Shape), Data: data}
	}
	clear(out)
	runtime.GC() // a snapshot is hundreds of megabytes outside Go's heap
	return tensors, nil
}

// Restore sets the variables from a snapshot of the same kind. Nothing is changed unless every tensor fits. An inference snapshot
// becomes the weights and, where they are kept, the averages.
func (m *Model) Restore(kind loop.Kind, tensors loop.Tensors) error {
	err := m.stateOf(kind).Set(m.session, tensors)
	if err == nil && kind == loop.Inference && m.averages != nil {
		err = m.raw.Set(m.session, tensors)
	}
	if err != nil {
		return fmt.Errorf("restore a %s snapshot into depth %d: %w", kind, m.config.Architecture.Depth, err)
	}
	return nil
}

// Set gives every variable of the state its value, in torchvision's layout, or none.
func (st State) Set(session *tf.Session, tensors loop.Tensors) error {
	if err := st.checkFit(tensors); err != nil {
		return err
	}
	byName := map[string]loop.Tensor{}
	for _, t := range tensors {
		byName[t.Name] = t
	}
	feeds := map[tf.Output]*tf.Tensor{}
	var assigns []*tf.Operation
	for _, v := range st {
		t, err := TensorOf(byName[v.name].Data, v.dims()...)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", v.name, err)
		}
		feeds[v.in] = t
		assigns = append(assigns, v.assign)
	}
	if _, err := session.Run(feeds, nil, assigns); err != nil {
		return err
	}
	clear(feeds)
	runtime.GC() // the tensors are hundreds of megabytes outside Go's heap
	return nil
}

// checkFit names every tensor that is missing, extra, doubled or of the wrong shape.
func (st State) checkFit(tensors loop.Tensors) error {
	want := map[string][]int{}
	for _, v := range st {
		want[v.name] = v.param.Shape
	}
	var errs []error
	for _, t := range tensors {
		shape, ok := want[t.Name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("tensor %s is doubled or does not belong here", t.Name))
		case !slices.Equal(shape, t.Shape):
			errs = append(errs, fmt.Errorf("tensor %s has shape %v, want %v", t.Name, t.Shape, shape))
		case len(t.Data) != size(shape):
			errs = append(errs, fmt.Errorf("tensor %s has %d values, want %d", t.Name, len(t.Data), size(shape)))
		}
		delete(want, t.Name)
	}
	for _, v := range st {
		if _, missing := want[v.name]; missing {
			errs = append(errs, fmt.Errorf("tensor %s is missing", v.name))
		}
	}
	return errors.Join(errs...)
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
