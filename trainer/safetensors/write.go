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
	maxHeader   = 100_000_000 // the reference reader's own limit
	metadataKey = "__metadata__"
	chunk       = 64 << 10 // bytes encoded or decoded at a time
)

// Write streams tensors, which must be ordered by name, to w as float32. metadata, which may be nil, goes into the header. The same
// tensors give the same bytes.
func Write(w io.Writer, metadata map[string]string, ts []Tensor) error {
	if err := check(ts); err != nil {
		return err
	}
	header, err := encodeHeader(metadata, ts)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, chunk)
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) // a bufio.Writer's first error stays until Flush
	b.Write(header)
	buffer := make([]byte, chunk)
	for _, t := range ts {
		for values := range slices.Chunk(t.Data, chunk/4) {
			for i, v := range values {
				binary.LittleEndian.PutUint32(buffer[4*i:], math.Float32bits(v))
			}
			b.Write(buffer[:4*len(values)])
		}
	}
	return b.Flush()
}

// check refuses tensors that no reader would take back.
func check(ts []Tensor) error {
	for i, t := range ts {
		n, err := elements(t.Shape)
		switch {
		case err != nil:
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		case n != len(t.Data):
			return fmt.Errorf("tensor %s has %d values, its shape %v holds %d", t.Name, len(t.Data), t.Shape, n)
		case t.Name == metadataKey:
			return fmt.Errorf("a tensor is named %s", metadataKey)
		case i > 0 && ts[i-1].Name >= t.Name:
			return fmt.Errorf("tensor %s follows %s: they must be ordered by name, each once", t.Name, ts[i-1].Name)
		}
	}
	return nil
}

func encodeHeader(metadata map[string]string, ts []Tensor) ([]byte, error) {
	more := map[string]string{"format": "pt"} // what PyTorch's loaders ask for
	maps.Copy(more, metadata)
	header := map[string]any{metadataKey: more}
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
	for len(text)%8 != 0 { // so that the tensors lie aligned
		text = append(text, ' ')
	}
	return text, err
}
