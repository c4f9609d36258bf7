package session

import (
	"bytes"
	"runtime"
	"unsafe"

	tf "github.com/wamuir/graft/tensorflow"
)

// collectEvery is how many bytes of tensors are made before the garbage collector is called. Tensors live outside Go's heap
// and are freed by finalizers alone: left to itself, the collector would not see them, and memory would grow by a batch a step.
const collectEvery = 64 << 20

// addFeed adds one tensor of this shape to what a run is fed.
func addFeed[T uint8 | int32 | float32](m *Model, feeds map[tf.Output]*tf.Tensor, to tf.Output, data []T, shape ...int64) error {
	t, err := TensorOf(data, shape...)
	if err != nil {
		return err
	}
	feeds[to] = t
	if m.fed += bytesOf(data); m.fed >= collectEvery {
		m.fed = 0
		runtime.GC()
	}
	return nil
}

// TensorOf copies data once; tf.NewTensor would walk it by reflection.
func TensorOf[T uint8 | int32 | float32](data []T, shape ...int64) (*tf.Tensor, error) {
	var kind tf.DataType
	switch any(data).(type) {
	case []uint8:
		kind = tf.Uint8
	case []int32:
		kind = tf.Int32
	case []float32:
		kind = tf.Float
	}
	return tf.ReadTensor(kind, shape, bytes.NewReader(memoryOf(data)))
}

// floatsOf copies a float tensor out.
func floatsOf(t *tf.Tensor) ([]float32, error) {
	n := int64(1)
	for _, d := range t.Shape() {
		n *= d
	}
	out := make([]float32, n)
	_, err := t.WriteContentsTo(&into{memoryOf(out)})
	return out, err
}

// into is a writer that fills a slice of the right size.
type into struct{ rest []byte }

func (w *into) Write(p []byte) (int, error) {
	n := copy(w.rest, p)
	w.rest = w.rest[n:]
	return n, nil
}

func bytesOf[T any](data []T) int { return len(data) * int(unsafe.Sizeof(*new(T))) }

// memoryOf is the memory of data, in the machine's byte order, as TensorFlow keeps it.
func memoryOf[T any](data []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), bytesOf(data))
}
