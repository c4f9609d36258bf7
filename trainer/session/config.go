package session

import (
	"errors"
	"fmt"
	"math"

	tf "github.com/wamuir/graft/tensorflow"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/op"
	"golang.org/x/sys/cpu"
	"google.golang.org/protobuf/proto"
)

// Config is everything about a model that stays the same from its first step to its last.
type Config struct {
	Depth     int       // 18, 34, 50, 101 or 152
	Channels  int       // of an image
	ImageSize int       // pixels; images are squares of this side
	Mean, Std []float64 // [Channels], on the 0-255 scale

	Seed        int64   // of the initial weights
	WeightDecay float64 // AdamW's, decoupled, on kernels and matrices only
	ClipNorm    float64 // largest global norm of the gradients; 0: no clipping
	Beta1       float64 // AdamW's averages of the gradient
	Beta2       float64 // and of its square
	Epsilon     float64 // AdamW's, outside the square root

	Threads int  // of TensorFlow. The first session of a process sets it for all of them
	GPU     bool // false: a GPU is left alone, even where there is one
}

// AdamW's constants when a run sets none: PyTorch's.
const (
	DefaultBeta1   = 0.9
	DefaultBeta2   = 0.999
	DefaultEpsilon = 1e-8
)

func (c Config) validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(c.ImageSize >= 32, "image size %d is below 32: the last stage would have no pixels", c.ImageSize)
	need(c.Threads >= 1, "threads %d is below 1", c.Threads)
	need(c.WeightDecay >= 0 && finite(c.WeightDecay), "weight decay %v is below 0", c.WeightDecay)
	need(c.ClipNorm >= 0 && finite(c.ClipNorm), "clip norm %v is below 0", c.ClipNorm)
	need(c.Beta1 >= 0 && c.Beta1 < 1 && c.Beta2 >= 0 && c.Beta2 < 1, "betas %v and %v are outside 0..1", c.Beta1, c.Beta2)
	need(c.Epsilon > 0 && finite(c.Epsilon), "epsilon %v is not above 0", c.Epsilon)
	return errors.Join(errs...)
}

// GPUs lists the GPUs that TensorFlow can use here. threads must be those of the session to come, because the first session
// of a process sets the thread pool of all.
func GPUs(threads int) ([]string, error) {
	graph, err := op.NewScope().Finalize()
	if err != nil {
		return nil, err
	}
	s, err := tf.NewSession(graph, Options(threads, true))
	if err != nil {
		return nil, fmt.Errorf("open a TensorFlow session: %w", err)
	}
	defer s.Close()
	devices, err := s.ListDevices()
	if err != nil {
		return nil, fmt.Errorf("list TensorFlow's devices: %w", err)
	}
	var names []string
	for _, d := range devices {
		if d.Type == "GPU" {
			names = append(names, d.Name)
		}
	}
	return names, nil
}

// Options are how every session of Plumbline is opened.
func Options(threads int, gpu bool) *tf.SessionOptions {
	config := &pb.ConfigProto{
		IntraOpParallelismThreads: int32(threads),
		InterOpParallelismThreads: int32(threads),
		AllowSoftPlacement:        true, // what has no GPU kernel runs on the CPU
		GpuOptions:                &pb.GPUOptions{AllowGrowth: true},
	}
	if !gpu {
		// Grappler's rewriting of the graph makes no step faster on a CPU, and costs depth 152 nine seconds of it at the start.
		config.GraphOptions = &pb.GraphOptions{RewriteOptions: &pb.RewriterConfig{DisableMetaOptimizer: true}}
		config.DeviceCount = map[string]int32{"GPU": 0}
	}
	b, err := proto.Marshal(config)
	if err != nil {
		panic(err) // a message of numbers always marshals
	}
	return &tf.SessionOptions{Config: b}
}

// Version is TensorFlow's.
func Version() string { return tf.Version() }

// ISA is the widest vector instruction set of this CPU that TensorFlow makes use of: float32 sums differ between them.
func ISA() string {
	switch {
	case cpu.X86.HasAVX512F:
		return "avx512"
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return "avx2"
	case cpu.X86.HasAVX:
		return "avx"
	}
	return "baseline"
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
