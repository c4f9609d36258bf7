package loop

import "plumbline.dev/plumbline/trainer/checkpoint"

// Stepper is one depth's model with its optimizer, as the loop sees it: something that can take a step, score images, and
// hand out or take back everything it has learned. session.Model is the one that trains, on TensorFlow; tests use a
// small logistic regression. The loop owns randomness, schedules and files; a Stepper owns arithmetic.
type Stepper interface {
	// Step takes one optimizer step. A step whose gradients are not all finite changes nothing and says so.
	Step(Batch, StepParams) (StepResult, error)
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
	Images  []uint8   // [N,S,S,C]; normalised inside the graph
	Labels  []int32   // [N]; 0 normal, 1 defect
	Weights []float32 // [N]; the weighted loss divides by their sum, as PyTorch's CrossEntropyLoss does
}

// StepParams are the numbers that change from step to step; everything else is fixed when the model is built.
type StepParams struct {
	LearningRate float32
	Step         int64 // 1-based count of applied optimizer steps including this one; AdamW's bias corrections come from it
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
	Inference Kind = "inference" // weights and batch-norm statistics
	Resume    Kind = "resume"    // Inference and the optimizer's slots
)

// Tensor is what snapshots consist of. Optimizer slots are named "adamw.m/<weight>" and "adamw.v/<weight>"; only session knows
// TensorFlow's layouts.
type Tensor = checkpoint.Tensor

// Tensors are ordered by name.
type Tensors = checkpoint.Tensors
