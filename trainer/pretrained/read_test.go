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

// zeros returns depth 18's tensors, all of them 0, with a head for 1000 classes. The tensors share one array, so a test
// changes a copy of it.
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

// fileOf writes tensors, sorted by name, into a file.
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
			ts[i].Data[49] = 2 // in the first kernel, the first value of green
		}
	}
	// A file may hold PyTorch's counter of batches, which is skipped.
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

func TestReadRefusesFilesThatDoNotFit(t *testing.T) {
	change := func(name string, how func(*safetensors.Tensor)) []safetensors.Tensor {
		ts := zeros()
		for i := range ts {
			if ts[i].Name == name {
				how(&ts[i])
			}
		}
		return ts
	}
	add := func(name string, shape []int) []safetensors.Tensor {
		return append(zeros(), safetensors.Tensor{Name: name, Shape: shape, Data: []float32{1}})
	}
	holding := func(v float32) func(*safetensors.Tensor) {
		return func(x *safetensors.Tensor) { x.Data = slices.Clone(x.Data); x.Data[3] = v }
	}
	for name, test := range map[string]struct {
		tensors  []safetensors.Tensor
		metadata map[string]string
		want     string
	}{
		"a tensor is missing": {
			tensors: zeros()[1:],
			want:    "tensor bn1.bias is missing",
		},
		"a tensor does not belong": {
			tensors: add("layer5.bias", []int{1}),
			want:    "tensor layer5.bias does not belong to depth 18",
		},
		"a counter of a batch norm that does not exist": {
			tensors: add("bn9.num_batches_tracked", nil),
			want:    "tensor bn9.num_batches_tracked does not belong to depth 18",
		},
		"a head without a bias": {
			tensors: change(headBias, func(x *safetensors.Tensor) { x.Name = "fc.offset" }),
			want:    "tensor fc.offset does not belong to depth 18; the head's",
		},
		"a head for another number of features": {
			tensors: change(headWeight, func(x *safetensors.Tensor) { x.Shape = []int{512, 1000} }),
			want:    "want [n 512] and [n]",
		},
		"another shape": {
			tensors: change("bn1.bias", func(x *safetensors.Tensor) { x.Shape = []int{8, 8} }),
			want:    "tensor bn1.bias has shape [8 8], want [64]",
		},
		"NaN": {
			tensors: change("layer3.1.bn2.weight", holding(float32(math.NaN()))),
			want:    "tensor layer3.1.bn2.weight holds NaN, first at value 3 of 256",
		},
		"infinity": {
			tensors: change("conv1.weight", holding(float32(math.Inf(-1)))),
			want:    "tensor conv1.weight holds -Inf, first at value 3 of 9408",
		},
		"a variance below 0": {
			tensors: change("bn1.running_var", holding(-1)),
			want:    "tensor bn1.running_var holds the variance -1",
		},
		"an unknown block": {
			tensors:  zeros(),
			metadata: map[string]string{MetaBlock: "v2"},
			want:     `"v2", which is neither v1 nor v1.5`,
		},
		"an epsilon that is not a number": {
			tensors:  zeros(),
			metadata: map[string]string{MetaEpsilon: "1e-5x"},
			want:     "not a number between 0 and 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := fileOf(t, test.metadata, test.tensors)
			_, err := Read(path, 18)
			var unfit *Unfit
			if !errors.As(err, &unfit) {
				t.Fatalf("error %v, want an *Unfit", err)
			}
			if text := err.Error(); !strings.Contains(text, test.want) || !strings.Contains(text, path) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, test.want)
			}
		})
	}
}

// entriesOf returns the entries in the header of a file of this depth.
func entriesOf(depth int) (entries []safetensors.Entry) {
	shapes := Backbone(depth)
	shapes[headWeight], shapes[headBias] = []int{1000, features(depth)}, []int{1000}
	for name, shape := range shapes {
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: shape})
	}
	return entries
}

func TestWeightsOfAnotherDepthAreRecognised(t *testing.T) {
	for _, actual := range wire.Depths {
		for _, asked := range wire.Depths {
			err := checkLayout(entriesOf(actual), asked)
			if actual == asked && err == nil {
				continue
			}
			want := fmt.Sprintf("not a ResNet of depth %d, and seems to be of depth %d: tensor ", asked, actual)
			if actual == asked || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("depth %d read as %d: %v", actual, asked, err)
			}
		}
	}
	const otherLibrary = "resnet.embedder.embedder.convolution.weight"
	foreign := []safetensors.Entry{{Name: otherLibrary, DType: safetensors.F32, Shape: []int{64, 3, 7, 7}}}
	err := checkLayout(foreign, 50)
	if err == nil || !strings.Contains(err.Error(), "is not like any depth") || len(err.Error()) > 600 {
		t.Errorf("another library's names: %v", err)
	}
	double := safetensors.Entry{Name: inputKernel, DType: "F64", Shape: []int{64, 3, 7, 7}}
	err = checkLayout(append(entriesOf(50), double), 50)
	if err == nil || !strings.Contains(err.Error(), "tensor conv1.weight has the type F64, not F32, F16 or BF16") {
		t.Errorf("double precision: %v", err)
	}
}

func TestReadRefusesFilesThatAreNotSafetensors(t *testing.T) {
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
		t.Errorf("a file that does not exist: %v", err)
	}
	wrong := slices.Clone(whole)
	wrong[bytes.Index(wrong, []byte("data_offsets"))+len(`data_offsets":[`)] = '4'
	for name, path := range map[string]string{
		"a directory":                  dir,
		"an empty file":                put("empty", nil),
		"half a file":                  put("half", whole[:len(whole)/2]),
		"a zip file, as torch.save's":  put("pickle", []byte("PK\x03\x04 and more")),
		"a wrong offset":               put("offset", wrong),
		"a byte after the last tensor": put("long", append(slices.Clone(whole), 0)),
	} {
		if _, err := Read(path, 18); !errors.As(err, &unfit) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
