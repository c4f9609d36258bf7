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

// averagePrefix is the prefix of an average's name; the name of its weight or statistic follows.
const averagePrefix = "average/"

// stateVariable is one variable as a checkpoint holds it: in torchvision's name, shape and layout.
type stateVariable struct {
	name   string
	role   string
	param  *resnet.Param
	out    tf.Output     // reads the value
	in     tf.Output     // placeholder for a new value
	assign *tf.Operation // sets the variable to what in is fed
}

// torchShape returns the shape in torchvision's layout.
func (v stateVariable) torchShape() []int64 {
	d := make([]int64, len(v.param.Shape))
	for i, n := range v.param.Shape {
		d[i] = int64(n)
	}
	return d
}

// State is a set of variables that can be read and set by name, in the order of their names.
type State []stateVariable

// DrawState draws how the parameters of a network are read and set.
func DrawState(s *op.Scope, params []*resnet.Param) State {
	var state State
	for _, p := range params {
		state = append(state, drawStateVariable(s, p.Name, roleOf(p), p, p.Handle, p.Value))
	}
	return state.sorted()
}

// drawState draws how every variable is read and set, and how Restart resets some of them.
func (m *Model) drawState() {
	s := m.root.SubScope("state")
	m.rawState = DrawState(s, m.net.Params)
	m.inferenceState, m.resumeState = m.rawState, slices.Clone(m.rawState)
	for k, prefix := range slotPrefixes[m.config.Hyper.Optimizer] {
		for _, p := range trained(m.net.Params) {
			name, slot := prefix+p.Name, m.optimizer.slots[k][p]
			m.resumeState = append(m.resumeState, drawStateVariable(s, name, wire.RoleSlot, p, slot.handle, slot.value))
			m.restarts = append(m.restarts, assignZeros(s.SubScope("restart/"+name), slot.handle, p))
		}
	}
	if m.averages != nil {
		m.inferenceState = nil
		for _, p := range m.net.Params {
			name, v := averagePrefix+p.Name, m.averages[p]
			average := drawStateVariable(s, name, wire.RoleAverage, p, v.handle, v.value)
			m.resumeState = append(m.resumeState, average)
			average.name, average.role = p.Name, roleOf(p)
			m.inferenceState = append(m.inferenceState, average)
			m.restarts = append(m.restarts, op.AssignVariableOp(s.SubScope("restart/"+name), v.handle, p.Value))
		}
	}
	m.resumeState, m.inferenceState = m.resumeState.sorted(), m.inferenceState.sorted()
}

func roleOf(p *resnet.Param) string {
	if p.Trained {
		return wire.RoleWeight
	}
	return wire.RoleStatistic
}

// assignZeros draws the reset to 0 of a variable with p's shape.
func assignZeros(s *op.Scope, handle tf.Output, p *resnet.Param) *tf.Operation {
	z := s.SubScope("zeros")
	shape, value := op.Const(z, int32s(p.TensorFlowShape())), op.Const(z.SubScope("value"), float32(0))
	return op.AssignVariableOp(s, handle, op.Fill(z, shape, value))
}

func (st State) sorted() State {
	slices.SortFunc(st, func(a, b stateVariable) int { return strings.Compare(a.name, b.name) })
	return st
}

// drawStateVariable draws how a variable with p's shape is read and set in torchvision's layout.
func drawStateVariable(s *op.Scope, name, role string, p *resnet.Param, handle, value tf.Output) stateVariable {
	v := stateVariable{name: name, role: role, param: p}
	u := s.SubScope(name)
	v.out = p.ToTorch(u.SubScope("out"), value)
	v.in = op.Placeholder(u, tf.Float, op.PlaceholderShape(tf.MakeShape(v.torchShape()...)))
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

// initialise sets the weights and statistics that training from random weights starts with, and resets slots and
// averages.
func (m *Model) initialise() error {
	var first loop.Tensors
	for _, v := range m.rawState {
		first = append(first, loop.Tensor{
			Name:  v.name,
			Shape: v.param.Shape,
			Data:  v.param.Initial(m.config.Hyper.Seed),
		})
	}
	if err := m.rawState.Set(m.session, first); err != nil {
		return fmt.Errorf("set the initial weights: %w", err)
	}
	return m.Restart()
}

// Restart begins a phase: it sets the optimizer's slots to 0, and each average to the present value of its weight or
// statistic.
func (m *Model) Restart() error {
	if _, err := m.session.Run(nil, nil, m.restarts); err != nil {
		return fmt.Errorf("reset the optimizer and the averages: %w", err)
	}
	return nil
}

// stateOf returns the variables that a snapshot of this kind holds.
func (m *Model) stateOf(kind loop.Kind) State {
	if kind == loop.Resume {
		return m.resumeState
	}
	return m.inferenceState
}

// Snapshot returns a copy of the variables that a snapshot of this kind holds, in torchvision's names and layouts.
func (m *Model) Snapshot(kind loop.Kind) (loop.Tensors, error) {
	variables := m.stateOf(kind)
	fetches := make([]tf.Output, len(variables))
	for i, v := range variables {
		fetches[i] = v.out
	}
	out, err := m.session.Run(nil, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the %s snapshot: %w", kind, err)
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
	runtime.GC() // the fetched tensors are hundreds of megabytes outside Go's heap
	return tensors, nil
}

// Restore sets the variables from a snapshot of the same kind. It changes nothing unless every tensor fits. An
// inference snapshot becomes the weights and statistics and, where averages are kept, the averages too.
func (m *Model) Restore(kind loop.Kind, tensors loop.Tensors) error {
	err := m.stateOf(kind).Set(m.session, tensors)
	if err == nil && kind == loop.Inference && m.averages != nil {
		err = m.rawState.Set(m.session, tensors)
	}
	if err != nil {
		return fmt.Errorf("restore the %s snapshot into depth %d: %w", kind, m.config.Architecture.Depth, err)
	}
	return nil
}

// Set sets every variable of the state to the tensor of its name, which is in torchvision's layout. If a tensor does
// not fit, or one is missing or not of this state, Set changes nothing and returns an error.
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
		t, err := TensorOf(byName[v.name].Data, v.torchShape()...)
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
	runtime.GC() // the fed tensors are hundreds of megabytes outside Go's heap
	return nil
}

// checkFit returns an error that names every tensor that is missing, extra, doubled or of the wrong shape.
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
			errs = append(errs, fmt.Errorf("tensor %s appears twice or does not belong to this model", t.Name))
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
