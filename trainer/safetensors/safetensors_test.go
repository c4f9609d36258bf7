package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// file returns a file with this header, followed by as many zeros as buffer says.
func file(header string, buffer int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, buffer)...)
}

// header returns a header of these entries.
func header(entries ...string) string { return "{" + strings.Join(entries, ",") + "}" }

// entry returns the JSON of one tensor in a header. shape is a list of numbers.
func entry(name, dtype, shape string, begin, end int64) string {
	return fmt.Sprintf(`"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, name, dtype, shape, begin, end)
}

func some() []Tensor {
	return []Tensor{
		{Name: "fc.bias", Shape: nil, Data: []float32{7}}, // a scalar
		{Name: "fc.weight", Shape: []int{2, 3}, Data: []float32{1, -2, 0.5, 3, 1e-30, 1e30}},
		{Name: "none", Shape: []int{0, 3}, Data: nil},
	}
}

func every(Entry) bool { return true }

func read(b []byte) ([]Tensor, error) {
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return r.Tensors(every)
}

func write(t *testing.T, metadata map[string]string, ts []Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, metadata, ts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadReturnsWhatWriteWrote(t *testing.T) {
	b := write(t, map[string]string{"block": "v1"}, some())
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"block": "v1", "format": "pt"}, r.Metadata); diff != "" {
		t.Errorf("metadata:\n%s", diff)
	}
	got, err := r.Tensors(every)
	if diff := cmp.Diff(some(), got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("tensors, error %v:\n%s", err, diff)
	}
}

func TestTensorsSkipsOthers(t *testing.T) {
	b := file(header(entry("n", "I64", "", 4, 12), entry("a", "F32", "1", 0, 4), entry("z", "F32", "1", 12, 16)), 12)
	b = append(b, 0, 0, 0x80, 0x3f) // the number 1 in float32
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Tensors(func(e Entry) bool { return e.Name == "z" })
	if diff := cmp.Diff([]Tensor{{Name: "z", Shape: []int{1}, Data: []float32{1}}}, got); err != nil || diff != "" {
		t.Errorf("error %v:\n%s", err, diff)
	}
}

func TestHalfPrecisionIsWidenedExactly(t *testing.T) {
	inf := float32(math.Inf(1))
	for name, test := range map[string]struct {
		dtype DType
		bits  []uint16
		want  []float32
	}{
		// 0, -0, 1, -2, the largest, the smallest normal, the largest and the smallest subnormal (negative), a third,
		// infinities
		"float16": {
			F16,
			[]uint16{0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001, 0x3555, 0x7c00, 0xfc00},
			[]float32{
				0, float32(math.Copysign(0, -1)), 1, -2, 65504, 0x1p-14, 1023 * 0x1p-24, -0x1p-24,
				0.333251953125, inf, -inf,
			},
		},
		// 0, 1, -2, the largest, the smallest subnormal, infinity
		"bfloat16": {
			BF16,
			[]uint16{0, 0x3f80, 0xc000, 0x7f7f, 0x0001, 0x7f80},
			[]float32{0, 1, -2, math.Float32frombits(0x7f7f0000), math.Float32frombits(0x00010000), inf},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []float32
			for _, bits := range test.bits {
				got = append(got, test.dtype.widen(bits))
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(test.want[i]) {
					t.Errorf("%#04x is %v, want %v", test.bits[i], got[i], test.want[i])
				}
			}
		})
	}
	for dtype, bits := range map[DType]uint16{F16: 0x7e01, BF16: 0x7fc1} {
		if v := dtype.widen(bits); v == v {
			t.Errorf("%s: NaN became %v", dtype, v)
		}
	}
	b := file(header(entry("h", "BF16", "2", 4, 8), entry("f", "F16", "2", 0, 4)), 0)
	b = append(b, 0, 0x3c, 0, 0xc0) // 1 and -2 in float16
	b = append(b, 0x80, 0x3f, 0, 0xc0)
	got, err := read(b)
	want := []Tensor{
		{Name: "f", Shape: []int{2}, Data: []float32{1, -2}},
		{Name: "h", Shape: []int{2}, Data: []float32{1, -2}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("a file of both, error %v:\n%s", err, diff)
	}
}

func TestReadRefusesFilesThatAreNotWellFormed(t *testing.T) {
	for name, test := range map[string]struct {
		file []byte
		want string // in the error; "" for none
	}{
		"as PyTorch writes it, not ordered by name": {
			file(header(
				entry("b", "F32", "2", 0, 8),
				entry("a", "F32", "1,1", 8, 12),
				`"__metadata__":{"format":"pt"}`,
			)+"  ", 12),
			"",
		},
		"no tensor":                     {file(`{}`, 0), ""},
		"a tensor of no values":         {file(header(entry("a", "F32", "0,3", 0, 0)), 0), ""},
		"nothing at all":                {nil, "first 8 bytes"},
		"a header longer than the file": {file(`{}`, 0)[:9], "its header claims 2 bytes; the file has 9"},
		"a header of 2^63 bytes":        {append(bytes.Repeat([]byte{0xff}, 8), '{', '}'), "its header claims"},
		"a header of 100,000,001 bytes": {binary.LittleEndian.AppendUint64(nil, 100_000_001), "its header claims"},
		"a header that is a list":       {file(`[]`, 0), "begin with {"},
		"a header that is no UTF-8":     {file("{\"\xff\":{}}", 0), "UTF-8"},
		"a header that is cut off":      {file(`{"a":{"dtype":"F32"`, 0), "header"},
		"text after the header's end":   {file(`{} x`, 0), "has text after its JSON object"},
		"one name twice": {
			file(header(entry("a", "F32", "1", 0, 4), entry("a", "F32", "1", 4, 8)), 8),
			`"a" appears twice`,
		},
		"one name twice, once escaped": {
			file(header(entry("a", "F32", "1", 0, 4), entry(`\u0061`, "F32", "1", 4, 8)), 8),
			`"a" appears twice`,
		},
		"one field twice": {
			file(`{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}`, 8),
			`"shape" appears twice`,
		},
		"metadata twice":           {file(`{"__metadata__":{},"__metadata__":{}}`, 0), `"__metadata__" appears twice`},
		"metadata that is no text": {file(`{"__metadata__":{"epochs":3}}`, 0), `at "epochs": 3 is not a text`},
		"a field that is unknown": {
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}`, 4),
			"unknown field",
		},
		"a field in capitals": {
			file(`{"a":{"DTYPE":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
			"unknown field",
		},
		"no shape": {
			file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4),
			"dtype or shape is missing",
		},
		"no offsets": {file(`{"a":{"dtype":"F32","shape":[0]}}`, 0), "0 numbers"},
		"three offsets": {
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4),
			"3 numbers",
		},
		"a dimension that is null":       {file(header(entry("a", "F32", "null", 0, 0)), 0), "null is not a number"},
		"a dimension that is a fraction": {file(header(entry("a", "F32", "1.5", 0, 6)), 6), "header"},
		"a tensor that is null":          {file(`{"a":null}`, 0), "where an object should"},
		"a type that is unknown":         {file(header(entry("a", "F4", "2", 0, 1)), 1), `unknown type "F4"`},
		"a type that is no float32":      {file(header(entry("a", "F64", "1", 0, 8)), 8), "its type is F64"},
		"two tensors that overlap": {
			file(header(entry("a", "F32", "2", 0, 8), entry("b", "F32", "1", 4, 8)), 8),
			"next free",
		},
		"two tensors in one place": {
			file(header(entry("a", "F32", "1", 0, 4), entry("b", "F32", "1", 0, 4)), 4),
			"next free",
		},
		"a gap": {
			file(header(entry("a", "F32", "1", 0, 4), entry("b", "F32", "1", 8, 12)), 12),
			"next free",
		},
		"offsets that run backwards": {file(header(entry("a", "F32", "1", 4, 0)), 4), "next free"},
		"a negative offset":          {file(header(entry("a", "F32", "1", -4, 0)), 4), "next free"},
		"offsets whose difference overflows": {
			file(header(
				entry("a", "F32", "1152921504606846975", 0, 4611686018427387900),
				entry("b", "F32", "1152921504606846975", 4611686018427387900, 9223372036854775800),
				entry("c", "F32", "4", 9223372036854775800, -9223372036854775800),
			), 0),
			"ends at byte",
		},
		"a size that is not the shape's": {file(header(entry("a", "F32", "3", 0, 8)), 8), "needs 12"},
		"a size of another type":         {file(header(entry("a", "F16", "2", 0, 8)), 8), "needs 4"},
		"a shape that overflows": {
			file(header(entry("a", "F32", "4611686018427387904,4", 0, 0)), 0),
			"impossible",
		},
		"a negative dimension":        {file(header(entry("a", "F32", "-1", 0, 4)), 4), "impossible"},
		"a buffer that is too short":  {file(header(entry("a", "F32", "2", 0, 8)), 4), "ends at byte 8 of 4"},
		"bytes after the last tensor": {file(header(entry("a", "F32", "1", 0, 4)), 5), "but 5 follow"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(test.file)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	b := write(t, nil, some())
	r, err := NewReader(bytes.NewReader(b[:len(b)-1]), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tensors(every); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "fc.weight") {
		t.Errorf("cut off: %v, want the tensor's name and %v", err, io.ErrUnexpectedEOF)
	}
	if r, err = NewReader(bytes.NewReader(append(b, 0)), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tensors(every); err == nil || !strings.Contains(err.Error(), "continues after") {
		t.Errorf("longer: %v", err)
	}
}

// The reader must compare a header with the size of the file before it allocates memory for the tensors.
func TestAWrongHeaderTakesNoMemory(t *testing.T) {
	for name, b := range map[string][]byte{
		"a header as long as is allowed": append(binary.LittleEndian.AppendUint64(nil, maxHeader), '{', '}'),
		"a tensor of 4 EiB": file(
			header(entry("a", "F32", "1152921504606846975", 0, 4611686018427387900)), 4),
		"a tensor of 1 GiB": file(header(entry("a", "F32", "268435456", 0, 1073741824)), 4),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := read(b)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 1<<20 {
				t.Errorf("error %v after %d bytes", err, taken)
			}
		})
	}
}

func TestWriteRefusesTensorsThatAReaderWouldRefuse(t *testing.T) {
	one := func(name string) Tensor { return Tensor{Name: name, Shape: []int{1}, Data: []float32{1}} }
	for name, ts := range map[string][]Tensor{
		"one name twice":     {one("a"), one("a")},
		"out of order":       {one("b"), one("a")},
		"too few values":     {{Name: "a", Shape: []int{2}, Data: []float32{1}}},
		"an impossible size": {{Name: "a", Shape: []int{-1, -1}, Data: []float32{1}}},
		"the metadata's key": {one(metadataKey)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Write(io.Discard, nil, ts); err == nil {
				t.Error("Write returned no error")
			}
		})
	}
}

func TestAHeaderIsAlignedAndMarkedForPyTorch(t *testing.T) {
	b := write(t, nil, some())
	n := binary.LittleEndian.Uint64(b)
	text := string(b[8 : 8+n])
	if n%8 != 0 ||
		!strings.HasPrefix(text, `{"__metadata__":{"format":"pt"}`) ||
		!strings.Contains(text, `"fc.bias":{"dtype":"F32","shape":[],`) {
		t.Errorf("header of %d bytes: %s", n, text)
	}
}

// FuzzRead starts from the files in testdata/fuzz/FuzzRead: files that are cut off, files with wrong headers, and good
// files.
//
//	go test -fuzz Read ./trainer/safetensors
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := read(b)
		if err != nil {
			return
		}
		values := 0
		for _, x := range ts {
			values += len(x.Data)
		}
		if 2*values > len(b) { // the narrowest type has two bytes
			t.Fatalf("%d values out of %d bytes", values, len(b))
		}
		// Tensors that Read accepts can be written, and are the same when they are read again.
		var out bytes.Buffer
		if err := Write(&out, nil, ts); err != nil {
			t.Fatalf("accepted tensors cannot be written: %v", err)
		}
		again, err := read(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ts, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Error(diff)
		}
	})
}
