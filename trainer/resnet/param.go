package resnet

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// Param is one variable of a network: a weight, which is trained, or a running statistic of batch normalisation, which
// follows the batches.
type Param struct {
	Name    string    // torchvision's
	Shape   []int     // torchvision's: kernels [out,in,kh,kw], fc [out,in]
	Trained bool      // false: a running mean or variance
	Handle  tf.Output // the variable; operations that change it take the handle
	Value   tf.Output // reads the variable, in TensorFlow's layout: kernels [kh,kw,in,out]

	initial initialiser
}

// Size returns the number of elements.
func (p *Param) Size() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// TensorFlowShape returns the shape in TensorFlow's layout: kernels [kh,kw,in,out], all others as in Shape.
func (p *Param) TensorFlowShape() []int64 {
	d := make([]int64, len(p.Shape))
	for i, n := range p.Shape {
		d[i] = int64(n)
	}
	if len(d) == 4 {
		d[0], d[1], d[2], d[3] = d[2], d[3], d[1], d[0]
	}
	return d
}

// ToTorch draws the change from TensorFlow's layout to torchvision's, for a value of p or of a variable with p's shape.
func (p *Param) ToTorch(s *op.Scope, v tf.Output) tf.Output {
	if len(p.Shape) != 4 {
		return v
	}
	return op.Transpose(s, v, op.Const(s, []int32{3, 2, 0, 1})) // HWIO -> OIHW
}

// FromTorch draws the change from torchvision's layout to TensorFlow's.
func (p *Param) FromTorch(s *op.Scope, v tf.Output) tf.Output {
	if len(p.Shape) != 4 {
		return v
	}
	return op.Transpose(s, v, op.Const(s, []int32{2, 3, 1, 0})) // OIHW -> HWIO
}

// Initial returns the values of p before training from random weights, in torchvision's layout. They depend on seed and
// name alone, so neither the order of the layers nor the number of threads changes them.
func (p *Param) Initial(seed int64) []float32 {
	key := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(p.Name), uint64(seed)))
	return p.initial(rand.New(rand.NewChaCha8(key)), p.Shape, p.Size())
}

// initialiser returns the n initial values of a parameter of this shape.
type initialiser func(r *rand.Rand, shape []int, n int) []float32

// heNormal fills kernels from a normal distribution with deviation sqrt(2 / (out kh kw)), as torchvision does
// (kaiming_normal_ with mode fan_out). The variance of gradients then stays the same through a ReLU (He et al.,
// "Delving Deep into Rectifiers").
func heNormal(r *rand.Rand, shape []int, n int) []float32 {
	std := math.Sqrt(2 / float64(shape[0]*shape[2]*shape[3]))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(std * r.NormFloat64())
	}
	return v
}

// uniform fills a linear layer's weight and bias uniformly in ±1/sqrt(in), as PyTorch does.
func uniform(in int) initialiser {
	bound := 1 / math.Sqrt(float64(in))
	return func(r *rand.Rand, _ []int, n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(bound * (2*r.Float64() - 1))
		}
		return v
	}
}

// zero fills shifts, running means, and the last scale of every block. A block whose last scale is 0 starts as the
// identity, so deep networks start to learn at the rate of shallow ones.
func zero(_ *rand.Rand, _ []int, n int) []float32 { return make([]float32, n) }

// one fills all other scales, and running variances.
func one(_ *rand.Rand, _ []int, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// weight returns the weight of this name. The first forward pass declares it; later passes share it.
func (n *Net) weight(name string, shape []int, init initialiser) *Param {
	return n.declare(name, shape, true, init)
}

// statistic returns the running statistic of this name. The first forward pass declares it; later passes share it.
func (n *Net) statistic(name string, shape []int, init initialiser) *Param {
	return n.declare(name, shape, false, init)
}

func (n *Net) declare(name string, shape []int, trained bool, init initialiser) *Param {
	if p, ok := n.byName[name]; ok {
		return p
	}
	p := &Param{Name: name, Shape: shape, Trained: trained, initial: init}
	p.Handle, p.Value = Variable(n.scope, name, p.TensorFlowShape())
	n.Params = append(n.Params, p)
	n.byName[name] = p
	return p
}

// Variable draws a float32 variable with this shape in TensorFlow's layout, and an operation that reads it. The
// variable has no value until an operation assigns one.
func Variable(scope *op.Scope, name string, shape []int64) (handle, value tf.Output) {
	s := scope.SubScope(name)
	handle = op.VarHandleOp(s, tf.Float, tf.MakeShape(shape...), op.VarHandleOpSharedName(name))
	return handle, op.ReadVariableOp(s, handle, tf.Float)
}
