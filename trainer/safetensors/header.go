package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Entry is what the header says of one tensor.
type Entry struct {
	Name  string
	DType DType
	Shape []int

	begin, end int64 // where its bytes begin and end, counted from the header's end
}

// decodeHeader returns the metadata, which may be nil, and the tensors in the order of their bytes. It reads token by
// token: decoding into a map or a struct would accept a name that is there twice, or misspelt, without an error.
func decodeHeader(text []byte) (metadata map[string]string, entries []Entry, err error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, errors.New("its header does not begin with {")
	}
	if !utf8.Valid(text) {
		return nil, nil, errors.New("its header is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	err = readObject(d, func(name string) error {
		if name == metadataKey {
			metadata, err = decodeMetadata(d)
			return err
		}
		e, err := decodeEntry(d, name)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("its header: %w", err)
	}
	if len(bytes.Trim(text[d.InputOffset():], " ")) > 0 {
		return nil, nil, errors.New("its header has text after its JSON object")
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.Name, b.Name))
	})
	return metadata, entries, nil
}

// readObject reads one JSON object. It calls readValue after each name to read the name's value. A name that is there
// twice is an error.
func readObject(d *json.Decoder, readValue func(name string) error) error {
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return cmp.Or(err, fmt.Errorf("%v is where an object should be", token))
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder accepts only a string here
		if seen[name] {
			return fmt.Errorf("%q appears twice", name)
		}
		seen[name] = true
		if err := readValue(name); err != nil {
			return fmt.Errorf("at %q: %w", name, err)
		}
	}
	_, err := d.Token()
	return err
}

func decodeMetadata(d *json.Decoder) (map[string]string, error) {
	metadata := map[string]string{}
	err := readObject(d, func(name string) error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		text, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v is not a text", token)
		}
		metadata[name] = text
		return nil
	})
	return metadata, err
}

func decodeEntry(d *json.Decoder, name string) (Entry, error) {
	e := Entry{Name: name}
	var offsets []int
	err := readObject(d, func(field string) (err error) {
		switch field {
		case "dtype":
			return d.Decode(&e.DType)
		case "shape":
			e.Shape, err = decodeNumbers(d)
			return err
		case "data_offsets":
			offsets, err = decodeNumbers(d)
			return err
		}
		return errors.New("unknown field")
	})
	switch {
	case err != nil:
		return e, err
	case e.DType == "" || e.Shape == nil:
		return e, errors.New("dtype or shape is missing")
	case len(offsets) != 2:
		return e, fmt.Errorf("data_offsets has %d numbers, not 2", len(offsets))
	}
	e.begin, e.end = int64(offsets[0]), int64(offsets[1])
	return e, nil
}

// decodeNumbers reads a list of whole numbers. A null in it is an error; decoding into numbers would read it as 0.
func decodeNumbers(d *json.Decoder) ([]int, error) {
	var list []*int
	if err := d.Decode(&list); err != nil || list == nil {
		return nil, err
	}
	numbers := make([]int, len(list))
	for i, n := range list {
		if n == nil {
			return nil, errors.New("null is not a number")
		}
		numbers[i] = *n
	}
	return numbers, nil
}

// checkLayout returns an error unless the tensors fill the buffer without a gap or an overlap, and the size of each
// follows from its shape and type. buffer is the number of bytes after the header.
func checkLayout(entries []Entry, buffer int64) error {
	var free int64 // the first byte that no tensor has taken
	for _, e := range entries {
		n, err := elements(e.Shape)
		width, known := widths[e.DType]
		switch {
		case !known:
			return fmt.Errorf("tensor %s has the unknown type %q", e.Name, e.DType)
		case err != nil:
			return fmt.Errorf("tensor %s: %w", e.Name, err)
		case e.begin != free:
			return fmt.Errorf("tensor %s begins at byte %d, but the next free byte is %d", e.Name, e.begin, free)
		case e.end < e.begin || e.end > buffer: // also keeps the difference below from overflowing
			return fmt.Errorf("tensor %s ends at byte %d of %d", e.Name, e.end, buffer)
		case e.end-e.begin != width*int64(n):
			return fmt.Errorf("tensor %s has %d bytes, but its shape %v needs %d",
				e.Name, e.end-e.begin, e.Shape, width*int64(n))
		}
		free = e.end
	}
	if free != buffer {
		return fmt.Errorf("its tensors take %d bytes, but %d follow the header", free, buffer)
	}
	return nil
}
