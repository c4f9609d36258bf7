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

// What a file may say of itself in its metadata; where it is silent it is torchvision's.
const (
	MetaBlock   = "plumbline.block"            // wire.BlockV1 or wire.BlockV15
	MetaEpsilon = "plumbline.batchNormEpsilon" // a decimal number
)

const torchEpsilon = 1e-5

// Weights are what a file holds, in torchvision's names and layouts: kernels [out,in,h,w], head [classes,features].
type Weights struct {
	Depth   int
	Block   string
	Epsilon float64              // batch normalisation's
	Tensors []safetensors.Tensor // ordered by name, with the head where the file has one
	Digest  string               // of the file: sha256:...
}

// Unfit says that a file is there and that its content is not what was asked for.
type Unfit struct {
	File string
	Why  error
}

func (u *Unfit) Error() string { return fmt.Sprintf("pretrained weights %s: %v", u.File, u.Why) }
func (u *Unfit) Unwrap() error { return u.Why }

// Read reads the weights of one depth. An error is *Unfit, or the file system's where the file cannot be read.
func Read(path string, depth int) (Weights, error) {
	w, err := read(path, depth)
	var unread *fs.PathError
	switch {
	case err == nil:
		return w, nil
	case errors.As(err, &unread):
		return Weights{}, fmt.Errorf("pretrained weights: %w", err)
	}
	return Weights{}, &Unfit{File: path, Why: err}
}

func read(path string, depth int) (Weights, error) {
	f, err := os.Open(path)
	if err != nil {
		return Weights{}, err
	}
	defer f.Close()
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
	w.Digest = digester.Digest() // Tensors has read to the file's end
	return w, checkValues(w.Tensors)
}

func architecture(metadata map[string]string) (block string, epsilon float64, err error) {
	block, epsilon = wire.BlockV15, torchEpsilon
	if said, ok := metadata[MetaBlock]; ok {
		if said != wire.BlockV1 && said != wire.BlockV15 {
			return "", 0, fmt.Errorf("its metadata says %s %q, which is neither %s nor %s", MetaBlock, said, wire.BlockV1, wire.BlockV15)
		}
		block = said
	}
	if said, ok := metadata[MetaEpsilon]; ok {
		epsilon, err = strconv.ParseFloat(said, 64)
		if err != nil || !(epsilon > 0 && epsilon < 1) {
			return "", 0, fmt.Errorf("its metadata says %s %q, which is no number between 0 and 1", MetaEpsilon, said)
		}
	}
	return block, epsilon, nil
}

// isCounter: how many batches a batch normalisation has seen, which PyTorch keeps as an integer and nothing here needs.
func isCounter(name string) bool { return strings.HasSuffix(name, ".num_batches_tracked") }

// checkLayout compares the header with a depth, and says which other depth the file seems to be of.
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
	seems := "and resembles no depth in torchvision's names"
	if 10*fewest <= len(Backbone(nearest)) {
		seems = fmt.Sprintf("and seems to be of depth %d", nearest)
	}
	if nearest == depth {
		seems = "though no other depth is nearer"
	}
	return fmt.Errorf("it is not a ResNet of depth %d, %s: %s", depth, seems, listSome(problems))
}

// differences names every tensor that is missing, does not belong, or is of another shape or type.
func differences(entries []safetensors.Entry, depth int) (problems []string) {
	want := Backbone(depth)
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	head := map[string][]int{}
	for _, e := range entries {
		if isCounter(e.Name) {
			if want[strings.TrimSuffix(e.Name, "num_batches_tracked")+"bias"] == nil {
				add("tensor %s does not belong", e.Name)
			}
			continue
		}
		if e.DType != safetensors.F32 && e.DType != safetensors.F16 && e.DType != safetensors.BF16 {
			add("tensor %s is %s, not %s, %s or %s", e.Name, e.DType, safetensors.F32, safetensors.F16, safetensors.BF16)
		}
		if e.Name == headWeight || e.Name == headBias {
			head[e.Name] = e.Shape
		} else if shape, ok := want[e.Name]; !ok {
			add("tensor %s does not belong", e.Name)
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
	if weight, bias := head[headWeight], head[headBias]; len(head) > 0 &&
		(len(weight) != 2 || weight[1] != features(depth) || !slices.Equal(bias, weight[:1])) {
		add("the head's %s and %s have shapes %v and %v, want [n %d] and [n]", headWeight, headBias, weight, bias, features(depth))
	}
	slices.Sort(problems)
	return problems
}

// checkValues names every tensor that no network computes anything with.
func checkValues(ts []safetensors.Tensor) error {
	var problems []string
	for _, t := range ts {
		for i, v := range t.Data {
			if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
				problems = append(problems, fmt.Sprintf("tensor %s holds %v, first at value %d of %d", t.Name, v, i, len(t.Data)))
				break
			}
			if v < 0 && strings.HasSuffix(t.Name, ".running_var") {
				problems = append(problems, fmt.Sprintf("tensor %s holds the variance %v at value %d of %d", t.Name, v, i, len(t.Data)))
				break
			}
		}
	}
	if len(problems) > 0 {
		return errors.New(listSome(problems))
	}
	return nil
}

// listSome lists problems for a person, who reads no hundreds.
func listSome(problems []string) string {
	const most = 6
	if more := len(problems) - most; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(problems[:most], "; "), more)
	}
	return strings.Join(problems, "; ")
}
