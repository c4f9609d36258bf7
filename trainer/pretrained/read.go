package pretrained

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// Names in the metadata of a file. A file may say by them which architecture its weights are for. A file without them
// is for torchvision's: block v1.5, epsilon 1e-5.
const (
	MetaBlock   = "plumbline.block"            // wire.BlockV1 or wire.BlockV15
	MetaEpsilon = "plumbline.batchNormEpsilon" // a decimal number
)

const torchEpsilon = 1e-5

// Weights is the content of a file, in torchvision's names and layouts: kernels [out,in,h,w], head [classes,features].
type Weights struct {
	Depth   int
	Block   string               // wire.BlockV1 or wire.BlockV15
	Epsilon float64              // batch normalisation's
	Tensors []safetensors.Tensor // ordered by name; the head is among them where the file has one
	Digest  string               // of the file: sha256:...
}

// Unfit is the error of a file that exists, but does not hold weights of the wanted depth.
type Unfit struct {
	File string
	Why  error
}

func (u *Unfit) Error() string { return fmt.Sprintf("pretrained weights %s: %v", u.File, u.Why) }
func (u *Unfit) Unwrap() error { return u.Why }

// Read reads the weights of one depth. An error is *Unfit, or the file system's *fs.PathError if the file cannot be
// read.
func Read(path string, depth int) (Weights, error) {
	w, err := read(path, depth)
	var unreadable *fs.PathError
	switch {
	case err == nil:
		return w, nil
	case errors.As(err, &unreadable):
		return Weights{}, fmt.Errorf("pretrained weights: %w", err)
	}
	return Weights{}, &Unfit{File: path, Why: err}
}

func read(path string, depth int) (Weights, error) {
	f, err := os.Open(path)
	if err != nil {
		return Weights{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return Weights{}, err
	}
	if !info.Mode().IsRegular() {
		return Weights{}, errors.New("it is not a regular file")
	}
	digester := wire.NewDigester()
	r, err := safetensors.NewReader(io.TeeReader(f, digester), info.Size())
	if err != nil {
		return Weights{}, err
	}
	w := Weights{Depth: depth}
	if w.Block, w.Epsilon, err = architecture(r.Metadata); err != nil {
		return Weights{}, err
	}
	if err := checkLayout(r.Entries, depth); err != nil {
		return Weights{}, err
	}
	if w.Tensors, err = r.Tensors(func(e safetensors.Entry) bool { return !isCounter(e.Name) }); err != nil {
		return Weights{}, err
	}
	w.Digest = digester.Digest() // of the whole file: Tensors has read to its end
	return w, checkValues(w.Tensors)
}

// architecture returns the block and the epsilon that the metadata says, or torchvision's.
func architecture(metadata map[string]string) (block string, epsilon float64, err error) {
	block, epsilon = wire.BlockV15, torchEpsilon
	if value, ok := metadata[MetaBlock]; ok {
		if value != wire.BlockV1 && value != wire.BlockV15 {
			return "", 0, fmt.Errorf("its metadata has %s %q, which is neither %s nor %s",
				MetaBlock, value, wire.BlockV1, wire.BlockV15)
		}
		block = value
	}
	if value, ok := metadata[MetaEpsilon]; ok {
		epsilon, err = strconv.ParseFloat(value, 64)
		if err != nil || !(epsilon > 0 && epsilon < 1) {
			return "", 0, fmt.Errorf("its metadata has %s %q, which is not a number between 0 and 1",
				MetaEpsilon, value)
		}
	}
	return block, epsilon, nil
}

// isCounter reports whether a tensor is the number of batches that a batch normalisation has seen. PyTorch stores it as
// an integer, and nothing here needs it.
func isCounter(name string) bool { return strings.HasSuffix(name, ".num_batches_tracked") }

// checkLayout returns an error if the tensors in the header are not those of this depth. The error says which other
// depth the file seems to have.
func checkLayout(entries []safetensors.Entry, depth int) error {
	problems := differences(entries, depth)
	if len(problems) == 0 {
		return nil
	}
	nearest, fewest := 0, 0
	for _, d := range wire.Depths {
		if n := len(differences(entries, d)); nearest == 0 || n < fewest {
			nearest, fewest = d, n
		}
	}
	seems := "and is not like any depth with torchvision's names"
	if 10*fewest <= len(Backbone(nearest)) { // at most a tenth of the tensors differ
		seems = fmt.Sprintf("and seems to be of depth %d", nearest)
	}
	if nearest == depth {
		seems = "though it is more like this depth than like any other"
	}
	return fmt.Errorf("it is not a ResNet of depth %d, %s: %s", depth, seems, listSome(problems))
}

// differences returns a sentence for every tensor that is missing, does not belong to this depth, or has another shape
// or type.
func differences(entries []safetensors.Entry, depth int) (problems []string) {
	want := Backbone(depth)
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	head := map[string][]int{}
	for _, e := range entries {
		if isCounter(e.Name) {
			if want[strings.TrimSuffix(e.Name, "num_batches_tracked")+"bias"] == nil {
				add("tensor %s does not belong to depth %d", e.Name, depth)
			}
			continue
		}
		if e.DType != safetensors.F32 && e.DType != safetensors.F16 && e.DType != safetensors.BF16 {
			add("tensor %s has the type %s, not %s, %s or %s",
				e.Name, e.DType, safetensors.F32, safetensors.F16, safetensors.BF16)
		}
		if e.Name == headWeight || e.Name == headBias {
			head[e.Name] = e.Shape
		} else if shape, ok := want[e.Name]; !ok {
			add("tensor %s does not belong to depth %d", e.Name, depth)
		} else if !slices.Equal(shape, e.Shape) {
			add("tensor %s has shape %v, want %v", e.Name, e.Shape, shape)
		}
	}
	has := map[string]bool{}
	for _, e := range entries {
		has[e.Name] = true
	}
	for name := range want {
		if !has[name] {
			add("tensor %s is missing", name)
		}
	}
	if len(head) > 0 && !headFits(head[headWeight], head[headBias], features(depth)) {
		add("the head's %s and %s have the shapes %v and %v, want [n %d] and [n]",
			headWeight, headBias, head[headWeight], head[headBias], features(depth))
	}
	slices.Sort(problems)
	return problems
}

// headFits reports whether these are the shapes of a head: [n,features] and [n].
func headFits(weight, bias []int, features int) bool {
	return len(weight) == 2 && weight[1] == features && slices.Equal(bias, weight[:1])
}

// checkValues returns an error that names tensors with values that no network can compute with: NaN, infinity, and a
// variance below 0.
func checkValues(ts []safetensors.Tensor) error {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, t := range ts {
		for i, v := range t.Data {
			if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
				add("tensor %s holds %v, first at value %d of %d", t.Name, v, i, len(t.Data))
				break
			}
			if v < 0 && strings.HasSuffix(t.Name, ".running_var") {
				add("tensor %s holds the variance %v at value %d of %d", t.Name, v, i, len(t.Data))
				break
			}
		}
	}
	if len(problems) > 0 {
		return errors.New(listSome(problems))
	}
	return nil
}

// listSome joins at most six problems, and says how many more there are: a message with hundreds would not be read.
func listSome(problems []string) string {
	const most = 6
	if more := len(problems) - most; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(problems[:most], "; "), more)
	}
	return strings.Join(problems, "; ")
}
