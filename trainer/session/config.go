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
	Mean, Std    []float64 // [Channels], on the scale 0 to 255
	Hyper        wire.Hyperparameters

	Threads int  // of TensorFlow; the first session of a process sets the number for all its sessions
	GPU     bool // whether to use a GPU; false: the CPU alone, even where there is a GPU
}

func (c Config) validate() error {
	if c.Threads < 1 {
		return fmt.Errorf("threads %d is below 1", c.Threads)
	}
	return c.Hyper.Validate()
}

// compute returns the type that convolutions compute in, in a training step and in the re-estimation: the re-estimated
// statistics stay frozen in the steps that follow, so they are measured as those steps compute. Scores are always
// float32: see drawEval.
func (c Config) compute() tf.DataType {
	switch c.Hyper.Precision {
	case wire.BFloat16:
		return tf.Bfloat16
	case wire.Float16:
		return tf.Half
	}
	return tf.Float
}

// augmentMoves reports whether images are turned or shifted.
func (c Config) augmentMoves() bool { return c.Hyper.Augment.Shift > 0 || c.Hyper.Augment.Rotate > 0 }

// GPUs returns TensorFlow's names of the GPUs that it can use here. It opens a session. threads must be the number that
// later sessions will use, because the first session of a process sets the thread pool of all.
func GPUs(threads int) ([]string, error) {
	graph, err := op.NewScope().Finalize()
	if err != nil {
		return nil, err
	}
	s, err := tf.NewSession(graph, Options(threads, true))
	if err != nil {
		return nil, fmt.Errorf("open a TensorFlow session: %w", err)
	}
	defer func() { _ = s.Close() }()
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

// Options returns the options with which Plumbline opens every TensorFlow session.
func Options(threads int, gpu bool) *tf.SessionOptions {
	config := &pb.ConfigProto{
		IntraOpParallelismThreads: int32(threads),
		InterOpParallelismThreads: int32(threads),
		AllowSoftPlacement:        true, // an operation without a GPU kernel runs on the CPU
		GpuOptions:                &pb.GPUOptions{AllowGrowth: true},
	}
	if !gpu {
		// Grappler, TensorFlow's optimizer of graphs, makes no step faster on a CPU. At depth 152 it takes nine seconds
		// of the start.
		config.GraphOptions = &pb.GraphOptions{RewriteOptions: &pb.RewriterConfig{DisableMetaOptimizer: true}}
		config.DeviceCount = map[string]int32{"GPU": 0}
	}
	b, err := proto.Marshal(config)
	if err != nil {
		panic(err) // a message of numbers always marshals
	}
	return &tf.SessionOptions{Config: b}
}

// Version returns the version of TensorFlow's library.
func Version() string { return tf.Version() }

// ISA returns the widest vector instruction set of this CPU that TensorFlow uses: avx512, avx2, avx or baseline. The
// sets add float32 numbers in different orders, so results differ between them.
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

// EmulatesBFloat16 reports whether the CPU has no instructions for bfloat16. Training in bfloat16 then works, but is
// slower than in float32.
func EmulatesBFloat16() bool { return !cpu.X86.HasAVX512BF16 && !cpu.X86.HasAMXBF16 }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
