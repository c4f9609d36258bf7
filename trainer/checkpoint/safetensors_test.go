package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// file makes a safetensors file of this header and so many bytes behind it.
func file(header string, buffer int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, buffer)...)
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
		"a header that is cut":           {file(`{"a":{"dtype":"F32"`, 0), "header"},
		"text after the header's end":    {file(`{} x`, 0), "goes on after its end"},
		"one name twice":                 {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), `"a" twice`},
		"a field that is unknown":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}`, 4), "unknown field"},
		"another type":                   {file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4), "is F16, not F32"},
		"two tensors that overlap":       {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "next free"},
		"a gap":                          {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12), "next free"},
		"offsets that run backwards":     {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "next free"},
		"a negative offset":              {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "next free"},
		"a size that is not the shape's": {file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "needs 12"},
		"a shape that overflows":         {file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0), "impossible"},
		"a negative dimension":           {file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "impossible"},
		"a buffer that is too short":     {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), "but 4 follow"},
		"bytes after the last tensor":    {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5), "but 5 follow"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readTensors(bytes.NewReader(test.file), int64(len(test.file)))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestAHeaderIsAlignedAndMarkedForPyTorch(t *testing.T) {
	var b bytes.Buffer
	if err := writeTensors(&b, tensors(1)); err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b.Bytes())
	header := string(b.Bytes()[8 : 8+n])
	if n%8 != 0 || !strings.HasPrefix(header, `{"__metadata__":{"format":"pt"}`) || !strings.Contains(header, `"fc.bias":{"dtype":"F32","shape":[],`) {
		t.Errorf("header of %d bytes: %s", n, header)
	}
}

func FuzzReadTensors(f *testing.F) {
	var b bytes.Buffer
	if err := writeTensors(&b, tensors(1)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := readTensors(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		// Whatever is accepted survives being written and read again.
		var out bytes.Buffer
		if err := writeTensors(&out, ts); err != nil {
			t.Fatalf("accepted tensors cannot be written: %v", err)
		}
		again, err := readTensors(&out, int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ts, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Error(diff)
		}
	})
}
