package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// Tensor is a named float32 array in torchvision's names and layouts (kernels OIHW, fc [out,in]), so that a checkpoint can be
// read with PyTorch as it is.
type Tensor struct {
	Name  string
	Role  string // wire.RoleWeight, ...
	Shape []int
	Data  []float32
}

// Tensors are ordered by name.
type Tensors []Tensor

// Inference is what is evaluated: weights and statistics, or their averages under the same names where there are any. The arrays
// are shared, not copied.
func (ts Tensors) Inference() Tensors {
	plain := ts.plain()
	averages := ts.filter(func(t Tensor) bool { return t.Role == wire.RoleAverage })
	if len(averages) == 0 {
		return plain
	}
	inference := make(Tensors, len(plain))
	for i, t := range plain { // both are in the order of the same names: see checkAverages
		inference[i] = t
		inference[i].Data = averages[i].Data
	}
	return inference
}

// plain are weights and statistics themselves.
func (ts Tensors) plain() Tensors {
	return ts.filter(func(t Tensor) bool { return t.Role == wire.RoleWeight || t.Role == wire.RoleStatistic })
}

// memory is what only going on needs.
func (ts Tensors) memory() Tensors {
	return ts.filter(func(t Tensor) bool { return t.Role == wire.RoleSlot || t.Role == wire.RoleAverage })
}

func (ts Tensors) filter(keep func(Tensor) bool) Tensors {
	var some Tensors
	for _, t := range ts {
		if keep(t) {
			some = append(some, t)
		}
	}
	return some
}

// check refuses tensors that are out of order or doubled.
func (ts Tensors) check() error {
	for i, t := range ts {
		if i > 0 && ts[i-1].Name >= t.Name {
			return fmt.Errorf("tensor %s follows %s: they must be ordered by name, each once", t.Name, ts[i-1].Name)
		}
	}
	return nil
}

// checkAverages refuses averages that are not of every weight and statistic.
func (ts Tensors) checkAverages() error {
	plain, averages := ts.plain(), ts.filter(func(t Tensor) bool { return t.Role == wire.RoleAverage })
	if len(averages) > 0 && len(averages) != len(plain) {
		return fmt.Errorf("it has %d averages of %d weights and statistics", len(averages), len(plain))
	}
	for i, a := range averages {
		if !strings.HasSuffix(a.Name, "/"+plain[i].Name) || !slices.Equal(a.Shape, plain[i].Shape) {
			return fmt.Errorf("average %s of shape %v is not of %s of shape %v", a.Name, a.Shape, plain[i].Name, plain[i].Shape)
		}
	}
	return nil
}
