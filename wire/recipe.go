package wire

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Values of the settings that are words.
const (
	PresetDefault = "default" // Plumbline's recipe
	PresetPaper   = "paper"   // the seed study's: see Recipe

	AdamW = "adamw"
	SGD   = "sgd" // with momentum

	Cosine   = "cosine"
	Constant = "constant"

	BatchNormTrain  = "train"  // normalises by the batch, and moves the running statistics
	BatchNormFreeze = "freeze" // normalises by the running statistics, which stay; scales and shifts are trained

	Float32  = "float32"
	BFloat16 = "bfloat16" // of convolutions and activations; weights and sums stay float32
	Float16  = "float16"  // likewise, on a GPU, with the loss scaled so that small gradients are not lost
)

// Words of each such setting, for those who check or complete it.
var (
	Presets     = []string{PresetDefault, PresetPaper}
	Optimizers  = []string{AdamW, SGD}
	Schedules   = []string{Cosine, Constant}
	BatchNorms  = []string{BatchNormTrain, BatchNormFreeze}
	Precisions  = []string{Float32, BFloat16, Float16}
	Adaptations = []string{AdaptTile, AdaptMean, AdaptMapped}
	Colours     = []string{"R", "G", "B", "mean"}
)

// Hyperparameters are resolved: every value is the one that is trained with.
//
// From pretrained weights training has two phases. In the first HeadEpochs of Epochs only the head and the first convolution, which
// are new, are trained, at LearningRate; then everything is, with a fresh optimizer: the head at LearningRate, the last stage at
// LearningRate x BackboneFactor, each stage below at LayerDecay times the rate of the one above.
type Hyperparameters struct {
	Preset         string  `json:"preset"` // where the values that nobody gave came from
	Epochs         int     `json:"epochs"`
	HeadEpochs     int     `json:"headEpochs"` // the first of Epochs, see above
	BatchSize      int     `json:"batchSize"`
	Accumulate     int     `json:"accumulate"` // a batch is worked through in so many parts of equal size, for memory's sake
	ImageSize      int     `json:"imageSize"`  // pixels, images are squares of this side
	Optimizer      string  `json:"optimizer"`  // adamw | sgd
	LearningRate   float64 `json:"learningRate"`
	BackboneFactor float64 `json:"backboneFactor"`
	LayerDecay     float64 `json:"layerDecay"`
	Schedule       string  `json:"schedule"`       // cosine, to 0 | constant
	WarmupEpochs   int     `json:"warmupEpochs"`   // linear from 0, at the begin of the phase that trains everything
	Momentum       float64 `json:"momentum"`       // SGD's
	Beta1          float64 `json:"beta1"`          // AdamW's, of the average of gradients
	Beta2          float64 `json:"beta2"`          // AdamW's, of their squares
	Epsilon        float64 `json:"epsilon"`        // AdamW's, outside the square root
	WeightDecay    float64 `json:"weightDecay"`    // of matrices and kernels only; decoupled in AdamW, added to the gradient in SGD
	ClipNorm       float64 `json:"clipNorm"`       // global norm of the gradients of what is trained; 0: no clipping
	LabelSmoothing float64 `json:"labelSmoothing"` // this share of a label is spread over both classes
	EMA            float64 `json:"ema"`            // decay per step of the averages that are evaluated and kept instead of the weights; 0: none
	BatchNorm      string  `json:"batchNorm"`      // train | freeze, once everything is trained
	Augment        Augment `json:"augment"`
	Precision      string  `json:"precision"` // float32 | bfloat16 | float16
	Patience       int     `json:"patience"`  // epochs without a better one after which training ends; 0: it never does
	Seed           int64   `json:"seed"`
}

// Augment changes training images, each in its own way, each time it is seen. There are no flips: they would mirror the logo.
type Augment struct {
	Shift          float64 `json:"shift"`          // at most, in both directions, as a share of the side
	Rotate         float64 `json:"rotate"`         // at most, in degrees, either way
	Gain           float64 `json:"gain"`           // of each channel, within 1±this, around the channel's mean
	Offset         float64 `json:"offset"`         // of each channel, within ±this many of its standard deviations
	ChannelDropout float64 `json:"channelDropout"` // chance of each channel to be replaced by its mean; one channel always stays
	Noise          float64 `json:"noise"`          // deviation of what is added to each pixel, in the channel's standard deviations
}

// Any is false where images are trained on as they are.
func (a Augment) Any() bool { return a != Augment{} }

// Imbalance holds exponents of the class frequencies n_c: a sample of class c is drawn with weight n_c^-SamplerWeight and
// counted in the loss with weight n_c^-LossWeight. 0 does nothing, 1 balances in full.
type Imbalance struct {
	LossWeight    float64 `json:"lossWeight"`
	SamplerWeight float64 `json:"samplerWeight"`
	// EffectiveNumber, where it is not 0, is the beta of (1-beta)/(1-beta^n_c), which then is the weight in the loss (Cui et al.,
	// "Class-Balanced Loss Based on Effective Number of Samples").
	EffectiveNumber float64 `json:"effectiveNumber"`
}

// How the first convolution of a network for colour photographs takes other channels.
const (
	AdaptTile   = "tile"   // its kernels for R, G, B repeat over the channels, times 3/C: timm's way
	AdaptMean   = "mean"   // each channel gets the mean of the three, times 3/C
	AdaptMapped = "mapped" // each channel gets the one that Colours names, scaled as each colour's share
)

// Pretrained says which weights a trial starts from.
type Pretrained struct {
	URI             string            `json:"uri"`               // file:// path of a .safetensors file of the trial's depth
	InputAdaptation string            `json:"inputAdaptation"`   // tile | mean | mapped
	Colours         map[string]string `json:"colours,omitempty"` // mapped: R, G, B or mean for every channel
}

// Recipe is what is trained with where a run says nothing, by preset and by whether there are pretrained weights.
//
// "paper" is the seed study's method: the whole network is fine-tuned from the first step, the loss is weighted and samples are
// drawn in full inverse proportion to the class. What the study does not tell is kept plain: AdamW at 1e-4, nothing else.
// "default" is Plumbline's: docs/training.md says what each part is for.
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

// FitEpochs shortens phases that a preset chose and the epochs do not hold: a run that asks for few epochs gets as much of either as
// fits. What a person asked for is left for Validate to judge.
func (h *Hyperparameters) FitEpochs(headGiven, warmupGiven bool) {
	if !headGiven {
		h.HeadEpochs = min(h.HeadEpochs, h.Epochs/2)
	}
	if !warmupGiven {
		h.WarmupEpochs = max(0, min(h.WarmupEpochs, h.Epochs-h.HeadEpochs-1))
	}
}

// What a setting without bounds of its own must lie between. Training computes in float32, in which 1e-46 is 0 and 1e39 is infinite:
// AdamW would divide by that 0. Products of two of them still fit.
const (
	tiny = 1e-30
	huge = 1e6
)

// Validate names every setting that cannot be obeyed, all at once.
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
	word := func(name, v string, of []string) { need(slices.Contains(of, v), "%s %q is not one of %v", name, v, of) }
	word("preset", h.Preset, Presets)
	need(h.Epochs >= 1, "epochs %d is below 1", h.Epochs)
	need(h.HeadEpochs >= 0 && h.HeadEpochs < max(1, h.Epochs), "headEpochs %d is not below epochs %d", h.HeadEpochs, h.Epochs)
	if err := CheckBatch(h.BatchSize, h.Accumulate); err != nil {
		errs = append(errs, fmt.Errorf("hyperparameters.%w", err))
	}
	need(h.ImageSize >= 32 && h.ImageSize <= 1024, "imageSize %d is outside 32..1024", h.ImageSize)
	word("optimizer", h.Optimizer, Optimizers)
	within("learningRate", h.LearningRate, tiny, huge)
	within("backboneFactor", h.BackboneFactor, 0, 1)
	within("layerDecay", h.LayerDecay, 0, 1)
	word("schedule", h.Schedule, Schedules)
	need(h.WarmupEpochs >= 0 && h.WarmupEpochs < max(1, h.Epochs-h.HeadEpochs), "warmupEpochs %d is not below the %d epochs that train everything", h.WarmupEpochs, h.Epochs-h.HeadEpochs)
	within("momentum", h.Momentum, 0, 0.9999)
	within("beta1", h.Beta1, 0, 0.9999)
	within("beta2", h.Beta2, 0, 0.999999)
	within("epsilon", h.Epsilon, tiny, huge)
	within("weightDecay", h.WeightDecay, 0, huge)
	need(h.ClipNorm == 0 || h.ClipNorm >= tiny && h.ClipNorm <= huge, "clipNorm %v is neither 0, which does not clip, nor within %v..%v", h.ClipNorm, tiny, huge)
	within("labelSmoothing", h.LabelSmoothing, 0, 0.5)
	within("ema", h.EMA, 0, 0.99999)
	word("batchNorm", h.BatchNorm, BatchNorms)
	a := h.Augment
	within("augment.shift", a.Shift, 0, 0.5)
	within("augment.rotate", a.Rotate, 0, 180)
	within("augment.gain", a.Gain, 0, 0.9)
	within("augment.offset", a.Offset, 0, 10)
	within("augment.channelDropout", a.ChannelDropout, 0, 0.9)
	within("augment.noise", a.Noise, 0, 10)
	word("precision", h.Precision, Precisions)
	need(h.Patience >= 0, "patience %d is below 0", h.Patience)
	return errors.Join(errs...)
}

// CheckBatch returns an error if a batch of so many samples cannot be trained on in so many parts. The parts must be of equal size, and
// batch normalisation needs at least two samples in each of them.
func CheckBatch(batchSize, accumulate int) error {
	if batchSize < 2 {
		return fmt.Errorf("batchSize %d is below 2: batch normalisation needs two samples", batchSize)
	}
	if accumulate < 1 || batchSize%accumulate != 0 || batchSize/accumulate < 2 {
		return fmt.Errorf("accumulate %d does not divide batchSize %d into parts of at least two samples", accumulate, batchSize)
	}
	return nil
}

func (i Imbalance) validate() error {
	var errs []error
	for name, v := range map[string]float64{"lossWeight": i.LossWeight, "samplerWeight": i.SamplerWeight} {
		if !(v >= 0 && v <= 1) {
			errs = append(errs, fmt.Errorf("imbalance.%s %v is outside 0..1", name, v))
		}
	}
	if !(i.EffectiveNumber >= 0 && i.EffectiveNumber < 1) {
		errs = append(errs, fmt.Errorf("imbalance.effectiveNumber %v is outside 0..1, without 1", i.EffectiveNumber))
	}
	if i.EffectiveNumber > 0 && i.LossWeight > 0 {
		errs = append(errs, fmt.Errorf("imbalance.effectiveNumber and lossWeight both weigh the loss: set one to 0"))
	}
	return errors.Join(errs...)
}

func (p Pretrained) validate() error {
	var errs []error
	if _, err := LocalPath(p.URI); err != nil {
		errs = append(errs, fmt.Errorf("pretrained.uri: %w", err))
	}
	if !slices.Contains(Adaptations, p.InputAdaptation) {
		errs = append(errs, fmt.Errorf("pretrained.inputAdaptation %q is not one of %v", p.InputAdaptation, Adaptations))
	}
	if (p.InputAdaptation == AdaptMapped) != (len(p.Colours) > 0) {
		errs = append(errs, fmt.Errorf("pretrained.colours belong to inputAdaptation %s, and to it alone", AdaptMapped))
	}
	for channel, colour := range p.Colours {
		if !slices.Contains(Colours, colour) {
			errs = append(errs, fmt.Errorf("pretrained.colours: channel %s is given %q, which is not one of %v", channel, colour, Colours))
		}
	}
	return errors.Join(errs...)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
