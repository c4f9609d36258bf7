package loop

import (
	"errors"

	"plumbline.dev/plumbline/trainer/checkpoint"
)

// ErrMemory says that a step does not fit into the device's memory.
var ErrMemory = errors.New("out of memory")

// Stepper is the model of one depth with its optimizer, as the loop sees it: it takes steps, scores images, and exports
// or restores everything that it has learned. session.Model trains on TensorFlow; tests use a small logistic
// regression. The loop owns randomness, schedules and files; a Stepper owns arithmetic.
type Stepper interface {
	// Step takes one optimizer step. If a gradient or the loss is not finite, the result says so, and weights,
	// optimizer and averages stay as they were.
	Step(Batch, StepParams) (StepResult, error)
	// Restart begins a phase: it clears the optimizer's memory, and sets the averages to the present weights.
	Restart() error
	// Reestimate moves the running statistics to their mean over batches of equal size. k counts the batches from 1.
	// images: [n,S,S,C]
	Reestimate(images []uint8, n, k int) error
	// Evaluate returns the score logit[1] - logit[0] of each of n images. It uses the weights that are reported: the
	// averages, where averages are kept. The score is raw: neither the prior shift nor a temperature has been undone.
	// images: [n,S,S,C]
	Evaluate(images []uint8, n int) ([]float32, error)
	// Snapshot returns a copy of the tensors; later steps do not change the copy.
	Snapshot(Kind) (Tensors, error)
	// Restore sets the tensors to a snapshot of the same kind. If a tensor is missing, superfluous or of another shape,
	// the error names it.
	Restore(Kind, Tensors) error
}

// Batch holds the N samples of one step.
type Batch struct {
	Images  []uint8       // [N,S,S,C]; the graph normalises them
	Labels  []int32       // [N]; 0 is normal, 1 is a defect
	Weights []float32     // [N]; the weighted loss divides by their sum, as PyTorch's CrossEntropyLoss does
	Augment *Augmentation // nil: the images are not augmented
}

// StepParams holds the numbers that change from step to step. Everything else is fixed when the model is built.
type StepParams struct {
	Phase Phase
	// PhaseStep counts the applied optimizer steps of the phase, this one included, from 1. AdamW's bias corrections
	// follow from it.
	PhaseStep    int64
	LearningRate float32
	Average      float32 // share of the new weights in the averages
	LossScale    float32 // for float16 only: the factor of the loss while gradients are computed
}

// StepResult holds the measurements of one step, from before its update.
type StepResult struct {
	Loss     float32
	GradNorm float32 // global norm before clipping
	Finite   bool    // false: the update was skipped because a gradient or the loss was NaN or Inf
}

// Kind says how much of the model a snapshot holds.
type Kind string

// The kinds of snapshots.
const (
	// Inference holds the weights and batch-norm statistics that are evaluated: the averages, where averages are kept.
	Inference Kind = "inference"
	// Resume holds everything: weights, statistics, averages, the optimizer's slots.
	Resume Kind = "resume"
)

// Tensor is one tensor of a snapshot. A slot or an average has the name of its weight or statistic after a prefix:
// "adamw.m/", "adamw.v/", "sgd.momentum/" or "average/". Only session knows TensorFlow's layouts.
type Tensor = checkpoint.Tensor

// Tensors are ordered by name.
type Tensors = checkpoint.Tensors
