package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

const (
	maxHeader   = 100_000_000 // bytes; the limit of the reference implementation
	metadataKey = "__metadata__"
	chunk       = 64 << 10 // bytes encoded or decoded at a time
)

// Write writes tensors, which must be ordered by name, to w as float32. metadata is written into the header, and may be
// nil. The same tensors and metadata give the same bytes.
func Write(w io.Writer, metadata map[string]string, ts []Tensor) error {
	if err := check(ts); err != nil {
		return err
	}
	header, err := encodeHeader(metadata, ts)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, chunk) // its first error stays, and Flush returns it
	_, _ = b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))
	_, _ = b.Write(header)
	buffer := make([]byte, chunk)
	for _, t := range ts {
		for values := range slices.Chunk(t.Data, chunk/4) {
			for i, v := range values {
				binary.LittleEndian.PutUint32(buffer[4*i:], math.Float32bits(v))
			}
			_, _ = b.Write(buffer[:4*len(values)])
		}
	}
	return b.Flush()
}

// check refuses tensors that a reader would refuse.
func check(ts []Tensor) error {
	for i, t := range ts {
		n, err := elements(t.Shape)
		switch {
		case err != nil:
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		case n != len(t.Data):
			return fmt.Errorf("tensor %s has %d values, but its shape %v needs %d", t.Name, len(t.Data), t.Shape, n)
		case t.Name == metadataKey:
			return fmt.Errorf("a tensor is named %s, which is reserved for metadata", metadataKey)
		case i > 0 && ts[i-1].Name >= t.Name:
			return fmt.Errorf("tensor %s follows %s: tensors must be ordered by name, each name once",
				t.Name, ts[i-1].Name)
		}
	}
	return nil
}

func encodeHeader(metadata map[string]string, ts []Tensor) ([]byte, error) {
	marked := map[string]string{"format": "pt"} // PyTorch's loaders want it
	maps.Copy(marked, metadata)
	header := map[string]any{metadataKey: marked}
	var at int64
	for _, t := range ts {
		end := at + 4*int64(len(t.Data))
		header[t.Name] = struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"` // from the header's end
		}{F32, append([]int{}, t.Shape...), [2]int64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	for len(text)%8 != 0 { // so that the tensors' bytes are aligned
		text = append(text, ' ')
	}
	return text, err
}
