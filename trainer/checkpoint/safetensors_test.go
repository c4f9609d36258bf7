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

func TestTensorsSurviveTheirFile(t *testing.T) {
	var b bytes.Buffer
	if err := writeTensors(&b, tensors(1)); err != nil {
		t.Fatal(err)
	}
	got, err := readTensors(&b, int64(b.Len()))
	diff := cmp.Diff(tensors(1), got, cmpopts.IgnoreFields(Tensor{}, "Role"), cmpopts.EquateEmpty())
	if err != nil || diff != "" {
		t.Errorf("error %v, written (-) and read (+):\n%s", err, diff)
	}
}

func TestATensorOfHalfPrecisionIsRefused(t *testing.T) {
	header := `{"fc.bias":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}`
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+"\x00\x00\x00\x00"...)
	_, err := readTensors(bytes.NewReader(file), int64(len(file)))
	if err == nil || !strings.Contains(err.Error(), "fc.bias is BF16") {
		t.Errorf("error %v, want an error that names the tensor and its type", err)
	}
}
