package resolve

import (
	"errors"
	"fmt"

	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Hyperparameters returns the hyperparameters of one depth: the preset's values, replaced by the values that the run
// sets.
func Hyperparameters(run *api.TrainingRun, depth api.Depth) (wire.Hyperparameters, error) {
	r := resolver{}
	h, _ := r.hyperparameters(run.Spec, overrideOf(run, depth))
	if err := errors.Join(r.errs...); err != nil {
		return h, fmt.Errorf("%s: %w", wire.TrialName(int(depth)), err)
	}
	return h, nil
}

// hyperparameters replaces the preset's values by those that the run sets, and these by the override of the depth.
func (r *resolver) hyperparameters(
	spec api.TrainingRunSpec, o api.DepthOverride,
) (wire.Hyperparameters, wire.Imbalance) {
	h, i := spec.Hyperparameters, spec.Imbalance
	if h == nil {
		h = &api.Hyperparameters{}
	}
	if i == nil {
		i = &api.Imbalance{}
	}
	out, imbalance := wire.Recipe(ptr.Deref(h.Preset, wire.PresetDefault), spec.Pretrained != nil)
	whole := func(to *int, given *int32) { *to = int(ptr.Deref(given, int32(*to))) }
	word := func(to *string, given *string) { *to = ptr.Deref(given, *to) }
	fraction := func(field string, to *float64, given *api.Decimal) { *to = r.decimal(field, given, *to) }

	whole(&out.Epochs, h.Epochs)
	whole(&out.Epochs, o.Epochs)
	whole(&out.HeadEpochs, h.HeadEpochs)
	whole(&out.BatchSize, h.BatchSize)
	whole(&out.BatchSize, o.BatchSize)
	whole(&out.Accumulate, h.Accumulate)
	whole(&out.Accumulate, o.Accumulate)
	whole(&out.ImageSize, h.ImageSize)
	word(&out.Optimizer, h.Optimizer)
	fraction("hyperparameters.learningRate", &out.LearningRate, h.LearningRate)
	fraction("hyperparameters.backboneFactor", &out.BackboneFactor, h.BackboneFactor)
	fraction("hyperparameters.layerDecay", &out.LayerDecay, h.LayerDecay)
	word(&out.Schedule, h.Schedule)
	whole(&out.WarmupEpochs, h.WarmupEpochs)
	fraction("hyperparameters.momentum", &out.Momentum, h.Momentum)
	fraction("hyperparameters.beta1", &out.Beta1, h.Beta1)
	fraction("hyperparameters.beta2", &out.Beta2, h.Beta2)
	fraction("hyperparameters.epsilon", &out.Epsilon, h.Epsilon)
	fraction("hyperparameters.weightDecay", &out.WeightDecay, h.WeightDecay)
	fraction("hyperparameters.clipNorm", &out.ClipNorm, h.ClipNorm)
	fraction("hyperparameters.labelSmoothing", &out.LabelSmoothing, h.LabelSmoothing)
	fraction("hyperparameters.ema", &out.EMA, h.EMA)
	word(&out.BatchNorm, h.BatchNorm)
	if a := h.Augment; a != nil {
		// augment replaces the preset's augmentation as a whole: a field that the run leaves out is off.
		out.Augment = wire.Augment{}
		fraction("hyperparameters.augment.shift", &out.Augment.Shift, a.Shift)
		fraction("hyperparameters.augment.rotate", &out.Augment.Rotate, a.Rotate)
		fraction("hyperparameters.augment.gain", &out.Augment.Gain, a.Gain)
		fraction("hyperparameters.augment.offset", &out.Augment.Offset, a.Offset)
		fraction("hyperparameters.augment.channelDropout", &out.Augment.ChannelDropout, a.ChannelDropout)
		fraction("hyperparameters.augment.noise", &out.Augment.Noise, a.Noise)
	}
	word(&out.Precision, h.Precision)
	if spec.EarlyStopping != nil {
		whole(&out.Patience, spec.EarlyStopping.Patience)
	}
	out.Seed = ptr.Deref(h.Seed, out.Seed)
	out.FitEpochs(h.HeadEpochs != nil, h.WarmupEpochs != nil)

	fraction("imbalance.lossWeight", &imbalance.LossWeight, i.LossWeight)
	fraction("imbalance.samplerWeight", &imbalance.SamplerWeight, i.SamplerWeight)
	fraction("imbalance.effectiveNumber", &imbalance.EffectiveNumber, i.EffectiveNumber)
	return out, imbalance
}
