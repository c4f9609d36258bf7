package wire

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Values of the settings that are words.
const (
	PresetDefault = "default" // Plumbline's recipe
	PresetPaper   = "paper"   // the recipe of the study that Plumbline started from: see Recipe

	AdamW = "adamw"
	SGD   = "sgd" // with momentum

	Cosine   = "cosine"
	Constant = "constant"

	BatchNormTrain  = "train"  // normalises by the batch, and moves the running statistics
	BatchNormFreeze = "freeze" // normalises by the running statistics, which stay; scales and shifts are trained

	Float32  = "float32"
	BFloat16 = "bfloat16" // convolutions and activations only; weights and sums stay float32
	Float16  = "float16"  // as bfloat16, on a GPU, with the loss scaled so that small gradients do not become 0
)

// The permitted words of each such setting.
var (
	Presets     = []string{PresetDefault, PresetPaper}
	Optimizers  = []string{AdamW, SGD}
	Schedules   = []string{Cosine, Constant}
	BatchNorms  = []string{BatchNormTrain, BatchNormFreeze}
	Precisions  = []string{Float32, BFloat16, Float16}
	Adaptations = []string{AdaptTile, AdaptMean, AdaptMapped}
	Colours     = []string{"R", "G", "B", "mean"}
)

// Hyperparameters are resolved: every value is the one that the trainer uses.
//
// Training from pretrained weights has two phases. The head phase is the first HeadEpochs of Epochs. It trains only
// the head and the first convolution, which are new, both at LearningRate. The main phase trains everything, with a
// fresh optimizer: the head at LearningRate, the last stage at LearningRate x BackboneFactor, and each stage below at
// LayerDecay times the rate of the stage above. From random weights there is only the main phase.
type Hyperparameters struct {
	Preset     string `json:"preset"` // default | paper: the recipe that gave the values that the run did not set
	Epochs     int    `json:"epochs"`
	HeadEpochs int    `json:"headEpochs"` // length of the head phase, the first of Epochs
	BatchSize  int    `json:"batchSize"`
	Accumulate int    `json:"accumulate"` // number of equal parts that a batch is computed in, to save memory
	ImageSize  int    `json:"imageSize"`  // side of the square images, in pixels

	Optimizer      string  `json:"optimizer"` // adamw | sgd
	LearningRate   float64 `json:"learningRate"`
	BackboneFactor float64 `json:"backboneFactor"`
	LayerDecay     float64 `json:"layerDecay"`
	Schedule       string  `json:"schedule"`       // cosine, down to 0 | constant
	WarmupEpochs   int     `json:"warmupEpochs"`   // at the start of the main phase: the rate grows linearly from 0
	Momentum       float64 `json:"momentum"`       // of SGD
	Beta1          float64 `json:"beta1"`          // of AdamW, for the average of the gradients
	Beta2          float64 `json:"beta2"`          // of AdamW, for the average of their squares
	Epsilon        float64 `json:"epsilon"`        // of AdamW, outside the square root
	WeightDecay    float64 `json:"weightDecay"`    // of matrices and kernels; in SGD part of the gradient
	ClipNorm       float64 `json:"clipNorm"`       // greatest global norm of the gradients; 0: no clipping
	LabelSmoothing float64 `json:"labelSmoothing"` // this share of a label is spread over both classes

	// EMA is the decay per step of the averages of weights and statistics; 0: no averages. With averages, the
	// averages are evaluated, selected and exported instead of the weights.
	EMA       float64 `json:"ema"`
	BatchNorm string  `json:"batchNorm"` // train | freeze, in the main phase
	Augment   Augment `json:"augment"`
	Precision string  `json:"precision"` // float32 | bfloat16 | float16
	Patience  int     `json:"patience"`  // training ends after this many epochs without a new best; 0: never
	Seed      int64   `json:"seed"`
}

// Augment describes the random changes of training images. Each image is changed in its own way each time that it is
// trained on. There are no flips: they would mirror the logo.
type Augment struct {
	Shift  float64 `json:"shift"`  // greatest shift in each direction, as a share of the side
	Rotate float64 `json:"rotate"` // greatest angle either way, in degrees
	Gain   float64 `json:"gain"`   // each channel is scaled around its mean by a factor within 1±Gain
	Offset float64 `json:"offset"` // each channel is moved by at most this many of its standard deviations

	// ChannelDropout is the chance that a channel is replaced by its mean. At least one channel always stays.
	ChannelDropout float64 `json:"channelDropout"`
	// Noise is the standard deviation of the noise of each pixel, in the channel's standard deviations.
	Noise float64 `json:"noise"`
}

// Any reports whether images are changed at all.
func (a Augment) Any() bool { return a != Augment{} }

// Imbalance holds exponents of the class frequencies n_c: a sample of class c is drawn with weight n_c^-SamplerWeight
// and counted in the loss with weight n_c^-LossWeight. 0 has no effect; 1 balances the classes completely.
type Imbalance struct {
	LossWeight    float64 `json:"lossWeight"`
	SamplerWeight float64 `json:"samplerWeight"`
	// EffectiveNumber, if it is not 0, is the beta of the loss weight (1-beta)/(1-beta^n_c); LossWeight is then 0.
	// Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples".
	EffectiveNumber float64 `json:"effectiveNumber"`
}

// Ways of adapting the first convolution of a network for colour photographs to C channels.
const (
	AdaptTile   = "tile"   // the kernels for R, G, B are repeated over the channels, times 3/C, as timm does
	AdaptMean   = "mean"   // each channel gets the mean of the three kernels, times 3/C
	AdaptMapped = "mapped" // each channel gets the kernel that Colours names, divided among the channels of one colour
)

// Pretrained says which weights a trial starts from.
type Pretrained struct {
	URI             string            `json:"uri"`               // file:// location of a .safetensors file
	InputAdaptation string            `json:"inputAdaptation"`   // tile | mean | mapped
	Colours         map[string]string `json:"colours,omitempty"` // only with mapped: R, G, B or mean for every channel
}

// Recipe returns the values of a preset for settings that a run does not set. They depend on whether the trial has
// pretrained weights.
//
//   - "default" is Plumbline's own recipe: docs/training.md gives the reason for each value.
//   - "paper" is the method of the study that Plumbline started from: the whole network is fine-tuned from the first
//     step, and both the loss weight and the sampling weight of a class are inversely proportional to its frequency.
//     The study does not describe the rest, so the rest is kept simple: AdamW at a constant 1e-4, without weight
//     decay, clipping, averages or augmentation.
func Recipe(preset string, pretrained bool) (Hyperparameters, Imbalance) {
	h := Hyperparameters{
		Preset: preset, Epochs: 30, BatchSize: 32, Accumulate: 1, ImageSize: 224,
		Optimizer: AdamW, LearningRate: 1e-3, BackboneFactor: 1, LayerDecay: 1, Schedule: Cosine, WarmupEpochs: 2,
		Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: 0.02, ClipNorm: 1,
		BatchNorm: BatchNormTrain, Precision: Float32, Seed: 1,
	}
	if preset == PresetPaper {
		h.LearningRate, h.Schedule, h.WarmupEpochs, h.WeightDecay, h.ClipNorm = 1e-4, Constant, 0, 0, 0
		return h, Imbalance{LossWeight: 1, SamplerWeight: 1}
	}
	h.EMA = 0.99
	h.Augment = Augment{Shift: 0.04, Rotate: 5, Gain: 0.1, Offset: 0.1, ChannelDropout: 0.05}
	if pretrained {
		h.HeadEpochs, h.BackboneFactor, h.LayerDecay, h.BatchNorm = 3, 0.1, 0.8, BatchNormFreeze
	}
	return h, Imbalance{SamplerWeight: 0.5}
}

// FitEpochs shortens the head phase and the warm-up to fit into Epochs, if a preset chose them. It does not change a
// value that a person gave: Validate refuses one that does not fit.
func (h *Hyperparameters) FitEpochs(headGiven, warmupGiven bool) {
	if !headGiven {
		h.HeadEpochs = min(h.HeadEpochs, h.Epochs/2)
	}
	if !warmupGiven {
		h.WarmupEpochs = max(0, min(h.WarmupEpochs, h.Epochs-h.HeadEpochs-1))
	}
}

// Bounds of a setting that has no narrower ones. Training computes in float32, in which 1e-46 is 0 and 1e39 is
// infinite: AdamW would divide by that 0. The product of two settings within these bounds is still a float32.
const (
	tiny = 1e-30
	huge = 1e6
)

// Validate returns an error that names every setting that cannot be obeyed.
func (h Hyperparameters) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("hyperparameters."+format, args...))
		}
	}
	within := func(name string, v, low, high float64) {
		need(v >= low && v <= high, "%s %v is outside %v..%v", name, v, low, high) // NaN is outside, too
	}
	oneOf := func(name, v string, of []string) {
		need(slices.Contains(of, v), "%s %q is not one of %v", name, v, of)
	}
	oneOf("preset", h.Preset, Presets)
	need(h.Epochs >= 1, "epochs %d is below 1", h.Epochs)
	mostHead := max(0, h.Epochs-1)
	need(h.HeadEpochs >= 0 && h.HeadEpochs <= mostHead,
		"headEpochs %d is outside 0..%d: it must be below epochs, which is %d", h.HeadEpochs, mostHead, h.Epochs)
	if err := CheckBatch(h.BatchSize, h.Accumulate); err != nil {
		errs = append(errs, fmt.Errorf("hyperparameters.%w", err))
	}
	need(h.ImageSize >= 32 && h.ImageSize <= 1024, "imageSize %d is outside 32..1024", h.ImageSize)
	oneOf("optimizer", h.Optimizer, Optimizers)
	within("learningRate", h.LearningRate, tiny, huge)
	within("backboneFactor", h.BackboneFactor, 0, 1)
	within("layerDecay", h.LayerDecay, 0, 1)
	oneOf("schedule", h.Schedule, Schedules)
	mainEpochs := h.Epochs - h.HeadEpochs
	mostWarmup := max(0, mainEpochs-1)
	need(h.WarmupEpochs >= 0 && h.WarmupEpochs <= mostWarmup,
		"warmupEpochs %d is outside 0..%d: the main phase, after headEpochs, has %d epochs",
		h.WarmupEpochs, mostWarmup, mainEpochs)
	within("momentum", h.Momentum, 0, 0.9999)
	within("beta1", h.Beta1, 0, 0.9999)
	within("beta2", h.Beta2, 0, 0.999999)
	within("epsilon", h.Epsilon, tiny, huge)
	within("weightDecay", h.WeightDecay, 0, huge)
	need(h.ClipNorm == 0 || h.ClipNorm >= tiny && h.ClipNorm <= huge,
		"clipNorm %v is neither 0, which turns clipping off, nor within %v..%v", h.ClipNorm, tiny, huge)
	within("labelSmoothing", h.LabelSmoothing, 0, 0.5)
	within("ema", h.EMA, 0, 0.99999)
	oneOf("batchNorm", h.BatchNorm, BatchNorms)
	a := h.Augment
	within("augment.shift", a.Shift, 0, 0.5)
	within("augment.rotate", a.Rotate, 0, 180)
	within("augment.gain", a.Gain, 0, 0.9)
	within("augment.offset", a.Offset, 0, 10)
	within("augment.channelDropout", a.ChannelDropout, 0, 0.9)
	within("augment.noise", a.Noise, 0, 10)
	oneOf("precision", h.Precision, Precisions)
	need(h.Patience >= 0, "patience %d is below 0; 0 turns early stopping off", h.Patience)
	return errors.Join(errs...)
}

// CheckBatch returns an error if a batch of batchSize samples cannot be trained on in accumulate parts. The parts
// must be of equal size, and batch normalisation needs at least two samples in each part.
func CheckBatch(batchSize, accumulate int) error {
	if batchSize < 2 {
		return fmt.Errorf("batchSize %d is below 2: batch normalisation needs two samples", batchSize)
	}
	if accumulate < 1 || batchSize%accumulate != 0 || batchSize/accumulate < 2 {
		return fmt.Errorf("accumulate %d does not divide batchSize %d into equal parts of at least two samples",
			accumulate, batchSize)
	}
	return nil
}

func (i Imbalance) validate() error {
	var errs []error
	for _, w := range []struct {
		name  string
		value float64
	}{{"lossWeight", i.LossWeight}, {"samplerWeight", i.SamplerWeight}} {
		if !(w.value >= 0 && w.value <= 1) {
			errs = append(errs, fmt.Errorf("imbalance.%s %v is outside 0..1", w.name, w.value))
		}
	}
	if !(i.EffectiveNumber >= 0 && i.EffectiveNumber < 1) {
		errs = append(errs, fmt.Errorf(
			"imbalance.effectiveNumber %v must be at least 0 and below 1", i.EffectiveNumber))
	}
	if i.EffectiveNumber > 0 && i.LossWeight > 0 {
		errs = append(errs, fmt.Errorf(
			"imbalance.effectiveNumber %v and imbalance.lossWeight %v both weigh the loss: set one of them to 0",
			i.EffectiveNumber, i.LossWeight))
	}
	return errors.Join(errs...)
}

func (p Pretrained) validate() error {
	var errs []error
	if _, err := LocalPath(p.URI); err != nil {
		errs = append(errs, fmt.Errorf("pretrained.uri: %w", err))
	}
	if !slices.Contains(Adaptations, p.InputAdaptation) {
		errs = append(errs, fmt.Errorf(
			"pretrained.inputAdaptation %q is not one of %v", p.InputAdaptation, Adaptations))
	}
	switch mapped := p.InputAdaptation == AdaptMapped; {
	case mapped && len(p.Colours) == 0:
		errs = append(errs, fmt.Errorf(
			"pretrained.colours is empty: with inputAdaptation %s every channel needs one of %v",
			AdaptMapped, Colours))
	case !mapped && len(p.Colours) > 0:
		errs = append(errs, fmt.Errorf(
			"pretrained.colours is set, but inputAdaptation is %q: remove colours, or set inputAdaptation to %s",
			p.InputAdaptation, AdaptMapped))
	}
	for _, channel := range slices.Sorted(maps.Keys(p.Colours)) {
		if colour := p.Colours[channel]; !slices.Contains(Colours, colour) {
			errs = append(errs, fmt.Errorf(
				"pretrained.colours: the colour %q of channel %s is not one of %v", colour, channel, Colours))
		}
	}
	return errors.Join(errs...)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
