package loop

import (
	"errors"

	"plumbline.dev/plumbline/trainer/checkpoint"
)

// ErrMemory says that a step does not fit into the device's memory.
var ErrMemory = errors.New("out of memory")

// Stepper is one depth's model with its optimizer, as the loop sees it: something that can take a step, score images, and
// hand out or take back everything it has learned. session.Model is the one that trains, on TensorFlow; tests use a
// small logistic regression. The loop owns randomness, schedules and files; a Stepper owns arithmetic.
type Stepper interface {
	// Step takes one optimizer step. A step whose gradients are not all finite changes nothing and says so.
	Step(Batch, StepParams) (StepResult, error)
	// Restart begins a phase: the optimizer forgets what it knows, and averages begin from the weights as they are.
	Restart() error
	// Reestimate moves the running statistics to their mean over batches of equal size; this is the k-th, from 1. images: [n,S,S,C]
	Reestimate(images []uint8, n, k int) error
	// Evaluate returns score = logit[1] - logit[0] of each of n images, on the weights that are being reported.
	// images: [n,S,S,C] uint8. The score is raw: neither the prior shift nor a temperature has been undone.
	Evaluate(images []uint8, n int) ([]float32, error)
	// Snapshot copies tensors out; later steps do not change the copy.
	Snapshot(Kind) (Tensors, error)
	// Restore takes back a snapshot of the same kind. A missing, extra or mis-shaped tensor is an error that names it.
	Restore(Kind, Tensors) error
}

// Batch is what one step trains on.
type Batch struct {
	Images  []uint8       // [N,S,S,C]; normalised inside the graph
	Labels  []int32       // [N]; 0 normal, 1 defect
	Weights []float32     // [N]; the weighted loss divides by their sum, as PyTorch's CrossEntropyLoss does
	Augment *Augmentation // nil where images are trained on as they are
}

// Phase is what is being trained.
type Phase string

const (
	Head Phase = "head" // the head and the first convolution, which a pretrained network lacks
	All  Phase = "all"
)

// StepParams are the numbers that change from step to step; everything else is fixed when the model is built.
type StepParams struct {
	Phase        Phase
	PhaseStep    int64 // 1-based count of the phase's applied optimizer steps including this one; AdamW's bias corrections come from it
	LearningRate float32
	Average      float32 // share of the new weights in the averages
	LossScale    float32 // float16 only: what the loss is multiplied by while gradients are computed
}

// StepResult is what one step measured, before its update.
type StepResult struct {
	Loss     float32
	GradNorm float32 // global norm before clipping
	Finite   bool    // false: the update was skipped because a gradient or the loss was NaN or Inf
}

// Kind says how much of the model a snapshot holds.
type Kind string

const (
	Inference Kind = "inference" // the weights and batch-norm statistics that are evaluated: averages where they are kept
	Resume    Kind = "resume"    // all there is: weights, statistics, averages, the optimizer's slots
)

// Tensor is what snapshots consist of. What is not a weight or a statistic has one's name after a prefix: "adamw.m/",
// "adamw.v/", "sgd.momentum/", "average/"; only session knows TensorFlow's layouts.
type Tensor = checkpoint.Tensor

// Tensors are ordered by name.
type Tensors = checkpoint.Tensors
