package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// The format is https://huggingface.co/docs/safetensors: 8 bytes with the header's length N, little-endian; N bytes of JSON that
// begin with '{'; then the tensors' bytes, without gaps. PyTorch, timm and others read it; no reader runs code from it.

const (
	maxHeader   = 100_000_000 // the reference reader's own limit
	metadataKey = "__metadata__"
	chunk       = 64 << 10 // bytes encoded at a time
)

// entry is one tensor in the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // from the header's end
}

// writeTensors streams ts to w. The same tensors give the same bytes.
func writeTensors(w io.Writer, ts Tensors) error {
	if err := ts.check(); err != nil {
		return err
	}
	header, err := encodeHeader(ts)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, chunk)
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) // a bufio.Writer's first error stays until Flush
	b.Write(header)
	for _, t := range ts {
		for _, v := range t.Data {
			b.Write(binary.LittleEndian.AppendUint32(b.AvailableBuffer(), math.Float32bits(v)))
		}
	}
	return b.Flush()
}

func encodeHeader(ts Tensors) ([]byte, error) {
	// "format: pt" is what PyTorch's loaders ask for.
	header := map[string]any{metadataKey: map[string]string{"format": "pt"}}
	var at int64
	for _, t := range ts {
		end := at + 4*int64(len(t.Data))
		header[t.Name] = entry{DType: "F32", Shape: append([]int{}, t.Shape...), Offsets: [2]int64{at, end}}
		at = end
	}
	if len(header) != len(ts)+1 {
		return nil, fmt.Errorf("a tensor is named %s", metadataKey)
	}
	text, err := json.Marshal(header)
	for len(text)%8 != 0 { // so that the tensors lie aligned
		text = append(text, ' ')
	}
	return text, err
}

// readTensors reads what writeTensors wrote, or PyTorch: float32 alone, every byte accounted for. size is the file's; it
// bounds what a lying header can make this program allocate. Roles are not in the file: they stay empty.
func readTensors(r io.Reader, size int64) (Tensors, error) {
	b := bufio.NewReaderSize(r, chunk)
	length := make([]byte, 8)
	if _, err := io.ReadFull(b, length); err != nil {
		return nil, fmt.Errorf("it ends within its first 8 bytes: %w", err)
	}
	n := binary.LittleEndian.Uint64(length)
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("its header claims %d bytes of a file of %d", n, size)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(b, header); err != nil {
		return nil, fmt.Errorf("it ends within its header: %w", err)
	}
	names, entries, err := decodeHeader(header)
	if err != nil {
		return nil, err
	}
	if err := checkLayout(names, entries, size-8-int64(n)); err != nil {
		return nil, err
	}
	ts := make(Tensors, len(names))
	for i, name := range names { // in the order of their bytes
		e := entries[name]
		data := make([]float32, (e.Offsets[1]-e.Offsets[0])/4)
		if err := readFloats(b, data); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		ts[i] = Tensor{Name: name, Shape: e.Shape, Data: data}
	}
	slices.SortFunc(ts, func(a, b Tensor) int { return cmp.Compare(a.Name, b.Name) })
	if _, err := b.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it goes on after its last tensor")
	}
	return ts, nil
}

// decodeHeader returns the tensors' names in the order of their offsets. It reads token by token, because a map would
// take the second of two equal names without a word.
func decodeHeader(text []byte) (names []string, entries map[string]entry, err error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, errors.New("its header does not begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("its header: %w", err)
	}
	entries = map[string]entry{}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("its header: %w", err)
		}
		name := token.(string) // the decoder lets nothing else be a key
		if seen[name] {
			return nil, nil, fmt.Errorf("its header names %q twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			err = d.Decode(&map[string]string{})
		} else {
			var e entry
			err = d.Decode(&e)
			entries[name] = e
			names = append(names, name)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("its header, at %q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("its header: %w", err)
	}
	if len(bytes.Trim(text[d.InputOffset():], " ")) > 0 {
		return nil, nil, errors.New("its header goes on after its end")
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(entries[a].Offsets[0], entries[b].Offsets[0]), cmp.Compare(entries[a].Offsets[1], entries[b].Offsets[1]))
	})
	return names, entries, nil
}

// checkLayout: float32, no gap, no overlap, sizes as the shapes say, and all of the buffer used.
func checkLayout(names []string, entries map[string]entry, buffer int64) error {
	var at int64
	for _, name := range names {
		e := entries[name]
		n, err := elements(e.Shape)
		switch {
		case e.DType != "F32":
			return fmt.Errorf("tensor %s is %s, not F32", name, e.DType)
		case err != nil:
			return fmt.Errorf("tensor %s: %w", name, err)
		case e.Offsets[0] != at:
			return fmt.Errorf("tensor %s begins at byte %d, where %d is the next free one", name, e.Offsets[0], at)
		case e.Offsets[1]-e.Offsets[0] != 4*int64(n):
			return fmt.Errorf("tensor %s has %d bytes, its shape %v needs %d", name, e.Offsets[1]-e.Offsets[0], e.Shape, 4*n)
		}
		at = e.Offsets[1]
	}
	if at != buffer {
		return fmt.Errorf("its tensors take %d bytes, but %d follow the header", at, buffer)
	}
	return nil
}

func readFloats(r io.Reader, into []float32) error {
	buffer := make([]byte, min(chunk, 4*len(into)))
	for len(into) > 0 {
		n := min(len(into), len(buffer)/4)
		if _, err := io.ReadFull(r, buffer[:4*n]); err != nil {
			return err
		}
		for i := range n {
			into[i] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*i:]))
		}
		into = into[n:]
	}
	return nil
}
