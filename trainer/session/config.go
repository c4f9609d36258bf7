package session

import (
	"fmt"
	"math"

	tf "github.com/wamuir/graft/tensorflow"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/op"
	"golang.org/x/sys/cpu"
	"google.golang.org/protobuf/proto"

	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// Config is everything about a model that stays the same from its first step to its last.
type Config struct {
	Architecture resnet.Architecture
	Channels     int       // of an image
	Mean, Std    []float64 // [Channels], on the 0-255 scale
	Hyper        wire.Hyperparameters

	Threads int  // of TensorFlow. The first session of a process sets it for all of them
	GPU     bool // false: a GPU is left alone, even where there is one
}

func (c Config) validate() error {
	if c.Threads < 1 {
		return fmt.Errorf("threads %d is below 1", c.Threads)
	}
	return c.Hyper.Validate()
}

// compute is the type that convolutions of a training step work in, and those of the re-estimation, whose statistics freeze for steps to
// come. Scores are float32, see drawEval.
func (c Config) compute() tf.DataType {
	switch c.Hyper.Precision {
	case wire.BFloat16:
		return tf.Bfloat16
	case wire.Float16:
		return tf.Half
	}
	return tf.Float
}

// GPUs lists the GPUs that TensorFlow can use here. threads must be those of the session to come, because the first session
// stateOf a process sets the thread pool of all.
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

// EmulatesBFloat16 is true where the CPU has no instructions for bfloat16: it then works, slower than float32.
func EmulatesBFloat16() bool { return !cpu.X86.HasAVX512BF16 && !cpu.X86.HasAMXBF16 }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
