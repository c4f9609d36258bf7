package pretrained

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// zeros are depth 18's tensors, all of them 0, with a head for 1000 classes. Their arrays may be shared: change copies.
func zeros() []safetensors.Tensor {
	shapes := Backbone(18)
	shapes[headWeight], shapes[headBias] = []int{1000, 512}, []int{1000}
	nothing := make([]float32, 512*512*9)
	var ts []safetensors.Tensor
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		ts = append(ts, safetensors.Tensor{Name: name, Shape: shapes[name], Data: nothing[:n]})
	}
	return ts
}

// fileOf writes tensors, ordered anew, into a file.
func fileOf(t *testing.T, metadata map[string]string, ts []safetensors.Tensor) string {
	t.Helper()
	slices.SortFunc(ts, func(a, b safetensors.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	path := filepath.Join(t.TempDir(), "resnet18.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := safetensors.Write(f, metadata, ts); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileIsReadAndAdapted(t *testing.T) {
	ts := zeros()
	for i := range ts {
		if ts[i].Name == inputKernel {
			ts[i].Data = make([]float32, len(ts[i].Data))
			ts[i].Data[49] = 2 // the first kernel's, of green
		}
	}
	// PyTorch's counter is there or not.
	ts = append(ts, safetensors.Tensor{Name: "bn1.num_batches_tracked", Shape: nil, Data: []float32{9}})
	w, err := Read(fileOf(t, nil, ts), 18)
	if err != nil {
		t.Fatal(err)
	}
	if w.Depth != 18 || w.Block != wire.BlockV15 || w.Epsilon != 1e-5 || len(w.Digest) != len("sha256:")+64 {
		t.Errorf("read %d, %s, %v, %s: want torchvision's depth 18", w.Depth, w.Block, w.Epsilon, w.Digest)
	}
	if len(w.Tensors) != 102 {
		t.Errorf("%d tensors, want 102", len(w.Tensors))
	}
	adapted := w.Adapted(Mix{{0, .5, 0}, {0, .25, 0}})
	if len(adapted) != 100 {
		t.Errorf("%d tensors without the head, want 100", len(adapted))
	}
	for _, x := range adapted {
		if x.Name == inputKernel && (!slices.Equal(x.Shape, []int{64, 2, 7, 7}) || x.Data[0] != 1 || x.Data[49] != .5) {
			t.Errorf("%s has shape %v and begins %v and %v", x.Name, x.Shape, x.Data[0], x.Data[49])
		}
	}

	w, err = Read(fileOf(t, map[string]string{MetaBlock: "v1", MetaEpsilon: "0.001"}, zeros()), 18)
	if err != nil || w.Block != wire.BlockV1 || w.Epsilon != 1e-3 {
		t.Errorf("with metadata: %s, %v, error %v", w.Block, w.Epsilon, err)
	}
}

func TestFilesThatDoNotFit(t *testing.T) {
	change := func(name string, how func(*safetensors.Tensor)) []safetensors.Tensor {
		ts := zeros()
		for i := range ts {
			if ts[i].Name == name {
				how(&ts[i])
			}
		}
		return ts
	}
	holding := func(v float32) func(*safetensors.Tensor) {
		return func(x *safetensors.Tensor) { x.Data = slices.Clone(x.Data); x.Data[3] = v }
	}
	for name, test := range map[string]struct {
		tensors  []safetensors.Tensor
		metadata map[string]string
		want     string
	}{
		"a tensor is missing":       {zeros()[1:], nil, "tensor bn1.bias is missing"},
		"a tensor does not belong":  {append(zeros(), safetensors.Tensor{Name: "layer5.bias", Shape: []int{1}, Data: []float32{1}}), nil, "tensor layer5.bias does not belong"},
		"a counter of nothing":      {append(zeros(), safetensors.Tensor{Name: "bn9.num_batches_tracked", Data: []float32{1}}), nil, "tensor bn9.num_batches_tracked does not belong"},
		"a head of half its parts":  {change(headBias, func(x *safetensors.Tensor) { x.Name = "fc.offset" }), nil, "tensor fc.offset does not belong; the head's"},
		"a head of other features":  {change(headWeight, func(x *safetensors.Tensor) { x.Shape = []int{512, 1000} }), nil, "want [n 512] and [n]"},
		"another shape":             {change("bn1.bias", func(x *safetensors.Tensor) { x.Shape = []int{8, 8} }), nil, "tensor bn1.bias has shape [8 8], want [64]"},
		"NaN":                       {change("layer3.1.bn2.weight", holding(float32(math.NaN()))), nil, "tensor layer3.1.bn2.weight holds NaN, first at value 3 of 256"},
		"infinity":                  {change("conv1.weight", holding(float32(math.Inf(-1)))), nil, "tensor conv1.weight holds -Inf, first at value 3 of 9408"},
		"a variance below 0":        {change("bn1.running_var", holding(-1)), nil, "tensor bn1.running_var holds the variance -1"},
		"a block that nobody knows": {zeros(), map[string]string{MetaBlock: "v2"}, `"v2", which is neither v1 nor v1.5`},
		"an epsilon that is none":   {zeros(), map[string]string{MetaEpsilon: "1e-5x"}, "no number between 0 and 1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := fileOf(t, test.metadata, test.tensors)
			_, err := Read(path, 18)
			var unfit *Unfit
			if !errors.As(err, &unfit) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, test.want)
			}
		})
	}
}

// entriesOf are the header of a file of this depth.
func entriesOf(depth int) (entries []safetensors.Entry) {
	shapes := Backbone(depth)
	shapes[headWeight], shapes[headBias] = []int{1000, features(depth)}, []int{1000}
	for name, shape := range shapes {
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shape})
	}
	return entries
}

func TestWeightsOfAnotherDepthAreRecognised(t *testing.T) {
	for _, of := range wire.Depths {
		for _, asked := range wire.Depths {
			err := checkLayout(entriesOf(of), asked)
			want := fmt.Sprintf("not a ResNet of depth %d, and seems to be of depth %d: tensor ", asked, of)
			if of == asked && err != nil || of != asked && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("depth %d read as %d: %v", of, asked, err)
			}
		}
	}
	foreign := []safetensors.Entry{{Name: "resnet.embedder.embedder.convolution.weight", DType: safetensors.F32, Shape: []int{64, 3, 7, 7}}}
	if err := checkLayout(foreign, 50); err == nil || !strings.Contains(err.Error(), "resembles no depth") || len(err.Error()) > 600 {
		t.Errorf("another library's names: %v", err)
	}
	double := []safetensors.Entry{{Name: inputKernel, DType: "F64", Shape: []int{64, 3, 7, 7}}}
	if err := checkLayout(append(entriesOf(50), double...), 50); err == nil || !strings.Contains(err.Error(), "tensor conv1.weight is F64, not F32, F16 or BF16") {
		t.Errorf("double precision: %v", err)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	whole, err := os.ReadFile(fileOf(t, nil, zeros()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var unfit *Unfit
	if _, err := Read(filepath.Join(dir, "gone"), 18); !errors.Is(err, fs.ErrNotExist) || errors.As(err, &unfit) {
		t.Errorf("a file that is not there: %v", err)
	}
	lying := slices.Clone(whole)
	lying[bytes.Index(lying, []byte("data_offsets"))+len(`data_offsets":[`)] = '4'
	for name, path := range map[string]string{
		"a directory":          dir,
		"nothing in it":        put("empty", nil),
		"half of it":           put("half", whole[:len(whole)/2]),
		"a pickle":             put("pickle", []byte("PK\x03\x04 and so on, as PyTorch saves by itself")),
		"offsets that lie":     put("lying", lying),
		"one byte is too much": put("long", append(slices.Clone(whole), 0)),
	} {
		if _, err := Read(path, 18); !errors.As(err, &unfit) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
