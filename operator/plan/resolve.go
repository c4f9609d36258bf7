package plan

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// Places inside a pod. What is below /plumbline is ours; the API server refuses a template that mounts there.
const (
	scratchDir     = "/plumbline/scratch"
	natsDir        = "/plumbline/nats"
	terminationLog = "/dev/termination-log"

	// CredentialFile and AuthorityFile are keys of the run's Secret and so the names of its files below natsDir.
	CredentialFile = "user.creds"
	AuthorityFile  = "ca.crt"
)

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
		GPU:     asksForGPU(resources),
		Threads: threads(resources),

		Dataset:         r.dataset(run.Spec.Dataset),
		Hyperparameters: r.hyperparameters(run.Spec.Hyperparameters, overrideOf(run, depth)),
		Imbalance:       r.imbalance(run.Spec.Imbalance),
		Checkpoint:      checkpoint(run.Spec.Checkpoint),
		Reports:         wire.Reports{URL: settings.NATS, Credentials: natsDir + "/" + CredentialFile},
		Scratch:         scratchDir,
		Result:          terminationLog,
	}
	if settings.CA {
		t.Reports.CA = natsDir + "/" + AuthorityFile
	}
	if err := errors.Join(append(r.errs, t.Validate())...); err != nil {
		return wire.Trial{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t, nil
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
		out.Split.Seed = or(s.Seed, out.Split.Seed)
	}
	return out
}

func (r *resolver) hyperparameters(h *api.Hyperparameters, o api.DepthOverride) wire.Hyperparameters {
	out := wire.DefaultHyperparameters()
	if h == nil {
		h = &api.Hyperparameters{}
	}
	out.Epochs = int(or(o.Epochs, or(h.Epochs, int32(out.Epochs))))
	out.BatchSize = int(or(o.BatchSize, or(h.BatchSize, int32(out.BatchSize))))
	out.ImageSize = int(or(h.ImageSize, int32(out.ImageSize)))
	out.LearningRate = r.decimal("hyperparameters.learningRate", h.LearningRate, out.LearningRate)
	// A run that asks for very few epochs and says nothing of the warm-up gets as much of it as fits.
	out.WarmupEpochs = int(or(h.WarmupEpochs, int32(min(out.WarmupEpochs, out.Epochs-1))))
	out.WeightDecay = r.decimal("hyperparameters.weightDecay", h.WeightDecay, out.WeightDecay)
	out.ClipNorm = r.decimal("hyperparameters.clipNorm", h.ClipNorm, out.ClipNorm)
	out.Seed = or(h.Seed, out.Seed)
	return out
}

func (r *resolver) imbalance(i *api.Imbalance) wire.Imbalance {
	out := wire.DefaultImbalance()
	if i == nil {
		return out
	}
	return wire.Imbalance{
		LossWeight:    r.decimal("imbalance.lossWeight", i.LossWeight, out.LossWeight),
		SamplerWeight: r.decimal("imbalance.samplerWeight", i.SamplerWeight, out.SamplerWeight),
	}
}

func checkpoint(c api.Checkpoint) wire.Checkpoint {
	out := wire.DefaultCheckpoint(string(c.URI))
	out.EveryEpochs = int(or(c.EveryEpochs, int32(out.EveryEpochs)))
	out.KeepLast = int(or(c.KeepLast, int32(out.KeepLast)))
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

func asksForGPU(r corev1.ResourceRequirements) bool { return asked(r, api.ResourceGPU) > 0 }

// threads follow the CPU request and never the node's size, so that a resumed trial computes the same numbers elsewhere.
func threads(r corev1.ResourceRequirements) int {
	q, ok := r.Requests[corev1.ResourceCPU]
	if !ok {
		q = r.Limits[corev1.ResourceCPU]
	}
	return max(1, int(q.Value())) // Value rounds up
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// rule is the run's objective as numbers.
func (r *resolver) rule(o *api.Objective) (tieMargin, minValue float64) {
	if o == nil {
		return 0, 0
	}
	return r.decimal("objective.tieMargin", o.TieMargin, 0), r.decimal("objective.minValue", o.MinValue, 0)
}
