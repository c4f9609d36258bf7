package checkpoint

import (
	"fmt"
	"io"

	"plumbline.dev/plumbline/trainer/safetensors"
)

// writeTensors writes ts to w in the safetensors format. The same tensors always give the same bytes. Roles are not
// written: the manifest has them.
func writeTensors(w io.Writer, ts Tensors) error {
	plain := make([]safetensors.Tensor, len(ts))
	for i, t := range ts {
		plain[i] = safetensors.Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data}
	}
	return safetensors.Write(w, nil, plain)
}

// readTensors reads a file of size bytes that writeTensors or PyTorch has written. All tensors must be float32:
// resuming exactly is impossible with less precision. Roles stay empty.
func readTensors(r io.Reader, size int64) (Tensors, error) {
	file, err := safetensors.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	for _, e := range file.Entries {
		if e.DType != safetensors.F32 {
			return nil, fmt.Errorf("tensor %s is %s, not %s", e.Name, e.DType, safetensors.F32)
		}
	}
	plain, err := file.Tensors(func(safetensors.Entry) bool { return true })
	if err != nil {
		return nil, err
	}
	ts := make(Tensors, len(plain))
	for i, t := range plain {
		ts[i] = Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data}
	}
	return ts, nil
}
