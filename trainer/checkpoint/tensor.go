package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// Tensor is a named float32 array. Names and layouts are torchvision's (kernels OIHW, fc [out,in]), so that PyTorch
// can read a checkpoint without conversion.
type Tensor struct {
	Name  string
	Role  string // wire.RoleWeight, ...
	Shape []int
	Data  []float32
}

// Tensors is a list of tensors in the order of their names.
type Tensors []Tensor

// Inference returns the tensors that are evaluated: weights and statistics, or, if there are averages, the averages
// under the names of the weights and statistics. The arrays are shared, not copied.
func (ts Tensors) Inference() Tensors {
	raw, averages := ts.raw(), ts.averages()
	if len(averages) == 0 {
		return raw
	}
	inference := make(Tensors, len(raw))
	for i, t := range raw { // raw and averages have the same names in the same order: see checkAverages
		inference[i] = t
		inference[i].Data = averages[i].Data
	}
	return inference
}

// raw returns the weights and statistics, not averaged.
func (ts Tensors) raw() Tensors {
	return ts.filter(func(t Tensor) bool { return t.Role == wire.RoleWeight || t.Role == wire.RoleStatistic })
}

// averages returns the averages of weights and statistics.
func (ts Tensors) averages() Tensors {
	return ts.filter(func(t Tensor) bool { return t.Role == wire.RoleAverage })
}

// resumeOnly returns the tensors that only resuming needs: the optimizer's slots and the averages.
func (ts Tensors) resumeOnly() Tensors {
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

// check returns an error if the tensors are not in the order of their names, or a name occurs twice.
func (ts Tensors) check() error {
	for i, t := range ts {
		if i > 0 && ts[i-1].Name >= t.Name {
			return fmt.Errorf("tensor %s follows %s: tensors must be ordered by name, and no name may occur twice",
				t.Name, ts[i-1].Name)
		}
	}
	return nil
}

// checkAverages returns an error if there are averages, but not exactly one of every weight and statistic.
func (ts Tensors) checkAverages() error {
	raw, averages := ts.raw(), ts.averages()
	if len(averages) > 0 && len(averages) != len(raw) {
		return fmt.Errorf("there are %d averages, but %d weights and statistics", len(averages), len(raw))
	}
	for i, a := range averages {
		if !strings.HasSuffix(a.Name, "/"+raw[i].Name) || !slices.Equal(a.Shape, raw[i].Shape) {
			return fmt.Errorf("average %s of shape %v does not belong to %s of shape %v",
				a.Name, a.Shape, raw[i].Name, raw[i].Shape)
		}
	}
	return nil
}
