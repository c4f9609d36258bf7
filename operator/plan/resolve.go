package plan

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// defaultStallSeconds is far above any step that ends, and far below what a GPU is worth overnight.
const defaultStallSeconds = 1800

// Resolve fills in the one document that an attempt's pod is given. Nothing is left to a default in the trainer: what a run
// trained with can be read off its Job.
func Resolve(run *api.TrainingRun, depth api.Depth, attempt int32, settings Settings) (wire.Trial, error) {
	r := resolver{}
	resources := resourcesOf(run, depth)
	t := wire.Trial{
		Version: wire.Version,
		Run:     wire.Run{Namespace: run.Namespace, Name: run.Name, UID: string(run.UID)},
		Name:    wire.TrialName(int(depth)),
		Depth:   int(depth),
		Attempt: int(attempt),
		GPU:     gpus(resources) > 0,
		Threads: threads(resources),

		StallSeconds: int(ptr.Deref(run.Spec.StallTimeoutSeconds, defaultStallSeconds)),

		Dataset:    r.dataset(run.Spec.Dataset),
		Pretrained: r.pretrained(run.Spec.Pretrained, depth),
		Checkpoint: checkpoint(run.Spec.Checkpoint),
		Reports:    wire.Reports{URL: settings.NATS, Credentials: podspec.CredentialDir + "/" + podspec.CredentialFile},
		Scratch:    podspec.ScratchDir,
		Result:     podspec.TerminationLog,
	}
	t.Hyperparameters, t.Imbalance = r.recipe(run.Spec, overrideOf(run, depth))
	if settings.CA {
		t.Reports.CA = podspec.CredentialDir + "/" + podspec.AuthorityFile
	}
	if err := errors.Join(append(r.errs, t.Validate())...); err != nil {
		return wire.Trial{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t, nil
}

// Recipe is what a depth is trained with: its preset, with what the run sets in place of it.
func Recipe(run *api.TrainingRun, depth api.Depth) (wire.Hyperparameters, error) {
	r := resolver{}
	h, _ := r.recipe(run.Spec, overrideOf(run, depth))
	if err := errors.Join(r.errs...); err != nil {
		return h, fmt.Errorf("%s: %w", wire.TrialName(int(depth)), err)
	}
	return h, nil
}

// resolver collects what cannot be read, so that a person sees all of it at once.
type resolver struct{ errs []error }

func (r *resolver) decimal(field string, d *api.Decimal, otherwise float64) float64 {
	if d == nil {
		return otherwise
	}
	v, err := d.Float64()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", field, err))
	}
	return v
}

func (r *resolver) dataset(d api.Dataset) wire.Dataset {
	out := wire.Dataset{URI: string(d.URI), Split: wire.DefaultSplit()}
	if d.Corrections != nil {
		out.Corrections = string(*d.Corrections)
	}
	if s := d.Split; s != nil {
		if s.GroupBy != "" {
			out.Split.GroupBy = s.GroupBy
		}
		out.Split.Test = r.decimal("dataset.split.test", s.Test, out.Split.Test)
		out.Split.Validation = r.decimal("dataset.split.validation", s.Validation, out.Split.Validation)
		out.Split.Seed = ptr.Deref(s.Seed, out.Split.Seed)
	}
	return out
}

// pretrained names the file of a depth.
func (r *resolver) pretrained(p *api.Pretrained, depth api.Depth) *wire.Pretrained {
	if p == nil {
		return nil
	}
	out := &wire.Pretrained{URI: strings.ReplaceAll(string(p.URI), "{depth}", fmt.Sprint(depth)), InputAdaptation: p.InputAdaptation}
	if out.InputAdaptation == "" {
		out.InputAdaptation = wire.AdaptTile
	}
	for _, c := range p.Colours {
		if out.Colours == nil {
			out.Colours = map[string]string{}
		}
		out.Colours[c.Channel] = c.Colour
	}
	return out
}

// recipe is the preset, with what the run sets in place of it.
func (r *resolver) recipe(spec api.TrainingRunSpec, o api.DepthOverride) (wire.Hyperparameters, wire.Imbalance) {
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
	if a := h.Augment; a != nil { // as a whole: what it leaves out is off
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

func checkpoint(c api.Checkpoint) wire.Checkpoint {
	out := wire.DefaultCheckpoint(string(c.URI))
	out.EveryEpochs = int(ptr.Deref(c.EveryEpochs, int32(out.EveryEpochs)))
	out.KeepLast = int(ptr.Deref(c.KeepLast, int32(out.KeepLast)))
	out.ResumeFrom = ptr.Deref(c.ResumeFrom, "")
	return out
}

func overrideOf(run *api.TrainingRun, depth api.Depth) api.DepthOverride {
	for _, o := range run.Spec.Overrides {
		if o.Depth == depth {
			return o
		}
	}
	return api.DepthOverride{}
}

func resourcesOf(run *api.TrainingRun, depth api.Depth) corev1.ResourceRequirements {
	if o := overrideOf(run, depth); o.Resources != nil {
		return *o.Resources
	}
	return run.Spec.Template.Resources
}

// asked is a resource's request; Kubernetes takes the limit for it where only that is given.
func asked(r corev1.ResourceRequirements, name corev1.ResourceName) (value float64) {
	q, ok := r.Requests[name]
	if !ok {
		q = r.Limits[name]
	}
	return q.AsApproximateFloat64()
}

func gpus(r corev1.ResourceRequirements) int64 { return int64(asked(r, api.ResourceGPU)) }

// threads follow the CPU request and never the node's size, so that a resumed trial computes the same numbers elsewhere.
func threads(r corev1.ResourceRequirements) int {
	q, ok := r.Requests[corev1.ResourceCPU]
	if !ok {
		q = r.Limits[corev1.ResourceCPU]
	}
	return max(1, int(q.Value())) // Value rounds up
}

// rule is the run's objective as numbers.
func (r *resolver) rule(o *api.Objective) (tieMargin, minValue float64) {
	if o == nil {
		return 0, 0
	}
	return r.decimal("objective.tieMargin", o.TieMargin, 0), r.decimal("objective.minValue", o.MinValue, 0)
}
