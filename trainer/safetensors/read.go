package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Reader reads one file from its start to its end.
type Reader struct {
	Metadata map[string]string // the header's __metadata__; nil where the header has none
	Entries  []Entry           // in the order of their bytes

	b *bufio.Reader
}

// NewReader reads the header of a file, and checks that the tensors in it take exactly the bytes that follow. size is
// the size of the file: it bounds the memory that a wrong header can make this program allocate.
func NewReader(r io.Reader, size int64) (*Reader, error) {
	b := bufio.NewReaderSize(r, chunk)
	length := make([]byte, 8)
	if _, err := io.ReadFull(b, length); err != nil {
		return nil, fmt.Errorf("the file ends within its first 8 bytes: %w", err)
	}
	n := binary.LittleEndian.Uint64(length)
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("its header claims %d bytes; the file has %d, and the limit is %d", n, size, maxHeader)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(b, header); err != nil {
		return nil, fmt.Errorf("the file ends within its header: %w", err)
	}
	metadata, entries, err := decodeHeader(header)
	if err != nil {
		return nil, err
	}
	if err := checkLayout(entries, size-8-int64(n)); err != nil {
		return nil, err
	}
	return &Reader{Metadata: metadata, Entries: entries, b: b}, nil
}

// Tensors reads the tensors for which keep returns true, and skips the others. It returns them ordered by name. A
// tensor to be read must be F32, F16 or BF16. Tensors can be called once.
func (r *Reader) Tensors(keep func(Entry) bool) ([]Tensor, error) {
	ts := make([]Tensor, 0, len(r.Entries))
	for _, e := range r.Entries {
		if !keep(e) {
			if _, err := io.CopyN(io.Discard, r.b, e.end-e.begin); err != nil {
				return nil, fmt.Errorf("tensor %s: %w", e.Name, err)
			}
			continue
		}
		data, err := r.floats(e)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", e.Name, err)
		}
		ts = append(ts, Tensor{Name: e.Name, Shape: e.Shape, Data: data})
	}
	slices.SortFunc(ts, func(a, b Tensor) int { return cmp.Compare(a.Name, b.Name) })
	if _, err := r.b.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file continues after its last tensor")
	}
	return ts, nil
}

// floats reads the values of the next tensor.
func (r *Reader) floats(e Entry) ([]float32, error) {
	if e.DType != F32 && e.DType != F16 && e.DType != BF16 {
		return nil, fmt.Errorf("its type is %s, not one of %s, %s, %s", e.DType, F32, F16, BF16)
	}
	width := int(widths[e.DType])
	all := make([]float32, int(e.end-e.begin)/width)
	buffer := make([]byte, min(chunk, width*len(all)))
	for rest := all; len(rest) > 0; {
		n := min(len(rest), len(buffer)/width)
		if _, err := io.ReadFull(r.b, buffer[:width*n]); err != nil {
			return nil, err
		}
		for i := range n {
			if width == 2 {
				rest[i] = e.DType.widen(binary.LittleEndian.Uint16(buffer[2*i:]))
			} else {
				rest[i] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*i:]))
			}
		}
		rest = rest[n:]
	}
	return all, nil
}
