package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// file makes a file of this header and so many bytes behind it.
func file(header string, buffer int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, buffer)...)
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

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
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

func TestTensorsThatNobodyAsksForAreReadPast(t *testing.T) {
	b := file(`{"n":{"dtype":"I64","shape":[],"data_offsets":[4,12]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"z":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 12)
	b = append(b, 0, 0, 0x80, 0x3f) // 1
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
		"float16: 0, -0, 1, -2, the greatest, the least normal, the greatest and least subnormal, a third, infinities": {F16,
			[]uint16{0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001, 0x3555, 0x7c00, 0xfc00},
			[]float32{0, float32(math.Copysign(0, -1)), 1, -2, 65504, 0x1p-14, 1023 * 0x1p-24, -0x1p-24, 0.333251953125, inf, -inf}},
		"bfloat16: 0, 1, -2, one of the greatest, the least subnormal, infinity": {BF16,
			[]uint16{0, 0x3f80, 0xc000, 0x7f7f, 0x0001, 0x7f80},
			[]float32{0, 1, -2, math.Float32frombits(0x7f7f0000), math.Float32frombits(0x00010000), inf}},
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
	b := append(file(`{"h":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"f":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 0), 0, 0x3c, 0, 0xc0, 0x80, 0x3f, 0, 0xc0)
	got, err := read(b)
	want := []Tensor{{Name: "f", Shape: []int{2}, Data: []float32{1, -2}}, {Name: "h", Shape: []int{2}, Data: []float32{1, -2}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("a file of both, error %v:\n%s", err, diff)
	}
}

func TestFilesOfOthersAreReadStrictly(t *testing.T) {
	for name, test := range map[string]struct {
		file []byte
		want string // in the error; "" for none
	}{
		"as PyTorch writes it, not in the names' order": {file(`{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"__metadata__":{"format":"pt"}}  `, 12), ""},
		"no tensor":                      {file(`{}`, 0), ""},
		"a tensor of no values":          {file(`{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}`, 0), ""},
		"nothing at all":                 {nil, "first 8 bytes"},
		"a header longer than the file":  {file(`{}`, 0)[:9], "its header claims 2 bytes of a file of 9"},
		"a header of 2^63 bytes":         {append(bytes.Repeat([]byte{0xff}, 8), '{', '}'), "its header claims"},
		"a header of 100,000,001 bytes":  {binary.LittleEndian.AppendUint64(nil, 100_000_001), "its header claims"},
		"a header that is a list":        {file(`[]`, 0), "begin with {"},
		"a header that is no UTF-8":      {file("{\"\xff\":{}}", 0), "UTF-8"},
		"a header that is cut":           {file(`{"a":{"dtype":"F32"`, 0), "header"},
		"text after the header's end":    {file(`{} x`, 0), "goes on after its end"},
		"one name twice":                 {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `"a" twice`},
		"one name twice, once escaped":   {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `"a" twice`},
		"one field twice":                {file(`{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}`, 8), `"shape" twice`},
		"metadata twice":                 {file(`{"__metadata__":{},"__metadata__":{}}`, 0), `"__metadata__" twice`},
		"metadata that is no text":       {file(`{"__metadata__":{"epochs":3}}`, 0), `at "epochs": 3 is no text`},
		"a field that is unknown":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}`, 4), "unknown field"},
		"a field in capitals":            {file(`{"a":{"DTYPE":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "unknown field"},
		"no shape":                       {file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), "dtype or shape is missing"},
		"no offsets":                     {file(`{"a":{"dtype":"F32","shape":[0]}}`, 0), "0 numbers"},
		"three offsets":                  {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4), "3 numbers"},
		"a dimension that is null":       {file(`{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,0]}}`, 0), "null is no number"},
		"a dimension that is a fraction": {file(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}`, 6), "header"},
		"a tensor that is null":          {file(`{"a":null}`, 0), "where an object should"},
		"a type that is unknown":         {file(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1), `unknown type "F4"`},
		"a type that is no float32":      {file(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8), "its type is F64"},
		"two tensors that overlap":       {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "next free"},
		"two tensors in one place":       {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "next free"},
		"a gap":                          {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12), "next free"},
		"offsets that run backwards":     {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "next free"},
		"a negative offset":              {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "next free"},
		"offsets that go round 2^64":     {file(`{"a":{"dtype":"F32","shape":[1152921504606846975],"data_offsets":[0,4611686018427387900]},"b":{"dtype":"F32","shape":[1152921504606846975],"data_offsets":[4611686018427387900,9223372036854775800]},"c":{"dtype":"F32","shape":[4],"data_offsets":[9223372036854775800,-9223372036854775800]}}`, 0), "ends at byte"},
		"a size that is not the shape's": {file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "needs 12"},
		"a size of another type":         {file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}}`, 8), "needs 4"},
		"a shape that overflows":         {file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), "impossible"},
		"a negative dimension":           {file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "impossible"},
		"a buffer that is too short":     {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), "ends at byte 8 of 4"},
		"bytes after the last tensor":    {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5), "but 5 follow"},
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
		t.Errorf("cut: %v, want the tensor's name and %v", err, io.ErrUnexpectedEOF)
	}
	if r, err = NewReader(bytes.NewReader(append(b, 0)), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tensors(every); err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("longer: %v", err)
	}
}

// What a header claims costs nothing until the file's size has borne it out.
func TestALieTakesNoMemory(t *testing.T) {
	for name, b := range map[string][]byte{
		"a header as long as is allowed": append(binary.LittleEndian.AppendUint64(nil, maxHeader), '{', '}'),
		"a tensor of 4 EiB":              file(`{"a":{"dtype":"F32","shape":[1152921504606846975],"data_offsets":[0,4611686018427387900]}}`, 4),
		"a tensor of 1 GiB":              file(`{"a":{"dtype":"F32","shape":[268435456],"data_offsets":[0,1073741824]}}`, 4),
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

func TestTensorsThatNoReaderWouldTakeAreNotWritten(t *testing.T) {
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
				t.Error("written")
			}
		})
	}
}

func TestAHeaderIsAlignedAndMarkedForPyTorch(t *testing.T) {
	b := write(t, nil, some())
	n := binary.LittleEndian.Uint64(b)
	header := string(b[8 : 8+n])
	if n%8 != 0 || !strings.HasPrefix(header, `{"__metadata__":{"format":"pt"}`) || !strings.Contains(header, `"fc.bias":{"dtype":"F32","shape":[],`) {
		t.Errorf("header of %d bytes: %s", n, header)
	}
}

// FuzzRead begins from testdata/fuzz/FuzzRead: files that are cut, that lie, and that are whole.
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
		// Whatever is accepted survives being written and read again.
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
