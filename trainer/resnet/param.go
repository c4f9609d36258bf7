package resnet

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// Param is one variable: a weight, which is trained, or a statistic of batch normalisation, which follows the batches.
type Param struct {
	Name    string    // torchvision's
	Shape   []int     // torchvision's: kernels [out,in,kh,kw], fc [out,in]
	Trained bool      // false: a running mean or variance
	Handle  tf.Output // the variable
	Value   tf.Output // its present value, in TensorFlow's layout: kernels [kh,kw,in,out]

	initial initial
}

// Size is the number of elements.
func (p *Param) Size() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Dims is the shape in TensorFlow's layout.
func (p *Param) Dims() []int64 {
	d := make([]int64, len(p.Shape))
	for i, n := range p.Shape {
		d[i] = int64(n)
	}
	if len(d) == 4 {
		d[0], d[1], d[2], d[3] = d[2], d[3], d[1], d[0]
	}
	return d
}

// ToTorch draws the change from TensorFlow's layout to torchvision's, for a value (or an optimizer's slot) of p.
func (p *Param) ToTorch(s *op.Scope, v tf.Output) tf.Output {
	if len(p.Shape) != 4 {
		return v
	}
	return op.Transpose(s, v, op.Const(s, []int32{3, 2, 0, 1})) // HWIO -> OIHW
}

// FromTorch draws the change back.
func (p *Param) FromTorch(s *op.Scope, v tf.Output) tf.Output {
	if len(p.Shape) != 4 {
		return v
	}
	return op.Transpose(s, v, op.Const(s, []int32{2, 3, 1, 0})) // OIHW -> HWIO
}

// Initial returns the values that training from random weights starts with, in torchvision's layout. They depend on seed and
// name alone, so neither the order of the layers nor the number of threads changes them.
func (p *Param) Initial(seed int64) []float32 {
	key := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(p.Name), uint64(seed)))
	return p.initial(rand.New(rand.NewChaCha8(key)), p.Shape, p.Size())
}

// initial draws the n first values of a parameter of this shape.
type initial func(r *rand.Rand, shape []int, n int) []float32

// heNormal keeps the variance of gradients through a ReLU: deviation sqrt(2 / fan-out), fan-out = out*kh*kw. torchvision's choice.
func heNormal(r *rand.Rand, shape []int, n int) []float32 {
	std := math.Sqrt(2 / float64(shape[0]*shape[2]*shape[3]))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(std * r.NormFloat64())
	}
	return v
}

// uniform in ±1/sqrt(in), as PyTorch fills a linear layer.
func uniform(in int) initial {
	bound := 1 / math.Sqrt(float64(in))
	return func(r *rand.Rand, _ []int, n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(bound * (2*r.Float64() - 1))
		}
		return v
	}
}

// zero is for shifts and running means, and for the last scale of every block: a block then starts as the identity, which
// lets the deep networks start to learn at the rate of the shallow ones.
func zero(_ *rand.Rand, _ []int, n int) []float32 { return make([]float32, n) }

func one(_ *rand.Rand, _ []int, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// param returns the weight of this name, which the first forward pass declares and the others share.
func (n *Net) param(name string, shape []int, init initial) *Param {
	return n.declare(name, shape, true, init)
}

func (n *Net) statistic(name string, shape []int, init initial) *Param {
	return n.declare(name, shape, false, init)
}

func (n *Net) declare(name string, shape []int, trained bool, init initial) *Param {
	if p, ok := n.byName[name]; ok {
		return p
	}
	p := &Param{Name: name, Shape: shape, Trained: trained, initial: init}
	p.Handle, p.Value = Variable(n.scope, name, p.Dims())
	n.Params = append(n.Params, p)
	n.byName[name] = p
	return p
}

// Variable draws a float variable and the reading of it.
func Variable(scope *op.Scope, name string, dims []int64) (handle, value tf.Output) {
	s := scope.SubScope(name)
	handle = op.VarHandleOp(s, tf.Float, tf.MakeShape(dims...), op.VarHandleOpSharedName(name))
	return handle, op.ReadVariableOp(s, handle, tf.Float)
}
