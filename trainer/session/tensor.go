package session

import (
	"bytes"
	"runtime"
	"unsafe"

	tf "github.com/wamuir/graft/tensorflow"
)

// collectEvery is how many bytes of tensors are made before the garbage collector is called. Tensors live outside Go's
// heap and are freed by finalizers alone. The collector does not see their size: left to itself it would run too
// rarely, and memory would grow by a batch a step.
const collectEvery = 64 << 20

// addFeed makes a tensor of this shape from data and adds it to feeds, the tensors that a run is fed.
func addFeed[T uint8 | int32 | float32](
	m *Model, feeds map[tf.Output]*tf.Tensor, placeholder tf.Output, data []T, shape ...int64,
) error {
	t, err := TensorOf(data, shape...)
	if err != nil {
		return err
	}
	feeds[placeholder] = t
	if m.fedBytes += bytesOf(data); m.fedBytes >= collectEvery {
		m.fedBytes = 0
		runtime.GC()
	}
	return nil
}

// TensorOf returns a tensor of this shape that holds a copy of data. It copies once; tf.NewTensor would walk data by
// reflection.
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

// floatsOf returns a copy of a float32 tensor's values.
func floatsOf(t *tf.Tensor) ([]float32, error) {
	n := int64(1)
	for _, d := range t.Shape() {
		n *= d
	}
	out := make([]float32, n)
	_, err := t.WriteContentsTo(&sliceWriter{memoryOf(out)})
	return out, err
}

// sliceWriter is a writer that fills a slice of the right size.
type sliceWriter struct{ rest []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	n := copy(w.rest, p)
	w.rest = w.rest[n:]
	return n, nil
}

func bytesOf[T any](data []T) int { return len(data) * int(unsafe.Sizeof(*new(T))) }

// memoryOf returns the memory of data, without a copy. It is in the machine's byte order, which TensorFlow uses too.
func memoryOf[T any](data []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), bytesOf(data))
}
