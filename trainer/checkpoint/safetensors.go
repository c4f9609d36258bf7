package checkpoint

import (
	"fmt"
	"io"

	"plumbline.dev/plumbline/trainer/safetensors"
)

// writeTensors streams ts to w. The same tensors give the same bytes. Roles are not in the file: the manifest has them.
func writeTensors(w io.Writer, ts Tensors) error {
	plain := make([]safetensors.Tensor, len(ts))
	for i, t := range ts {
		plain[i] = safetensors.Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data}
	}
	return safetensors.Write(w, nil, plain)
}

// readTensors reads what writeTensors wrote, or PyTorch: float32 alone, since training cannot go on exactly from anything less. size
// is the file's. Roles stay empty.
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
