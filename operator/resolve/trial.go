package resolve

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// defaultStallSeconds is far longer than any step that ends takes, and short compared with a night of an idle GPU.
const defaultStallSeconds = 1800

// Installation holds the settings that all runs of an installation share.
type Installation struct {
	NATS string // URL of the server that trials send their reports to
	CA   bool   // whether a run's Secret holds the certificate authority of that server
}

// Trial returns the document that an attempt's pod receives. Every value in the document is set and the trainer has no
// defaults, so a Job shows with which settings its trial was trained. The error names every field of the spec that
// cannot be used.
func Trial(run *api.TrainingRun, depth api.Depth, attempt int32, installation Installation) (wire.Trial, error) {
	r := resolver{}
	resources := Resources(run, depth)
	t := wire.Trial{
		Version: wire.Version,
		Run:     wire.Run{Namespace: run.Namespace, Name: run.Name, UID: string(run.UID)},
		Name:    wire.TrialName(int(depth)),
		Depth:   int(depth),
		Attempt: int(attempt),
		GPU:     GPUs(resources) > 0,
		Threads: threads(resources),

		StallSeconds: int(ptr.Deref(run.Spec.StallTimeoutSeconds, defaultStallSeconds)),

		Dataset:    r.dataset(run.Spec.Dataset),
		Pretrained: r.pretrained(run.Spec.Pretrained, depth),
		Checkpoint: checkpoint(run.Spec.Checkpoint),
		Reports: wire.ReportSettings{
			URL:         installation.NATS,
			Credentials: podspec.CredentialDir + "/" + podspec.CredentialFile,
		},
		Scratch: podspec.ScratchDir,
		Result:  podspec.TerminationLog,
	}
	t.Hyperparameters, t.Imbalance = r.hyperparameters(run.Spec, overrideOf(run, depth))
	if installation.CA {
		t.Reports.CA = podspec.CredentialDir + "/" + podspec.AuthorityFile
	}
	if err := errors.Join(append(r.errs, t.Validate())...); err != nil {
		return wire.Trial{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t, nil
}

// resolver collects an error for each field that cannot be read, so that one error names all of them.
type resolver struct{ errs []error }

// decimal returns the number in a field, or fallback if the field is not set.
func (r *resolver) decimal(field string, d *api.Decimal, fallback float64) float64 {
	if d == nil {
		return fallback
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

// pretrained puts the depth in place of {depth} in the URI.
func (r *resolver) pretrained(p *api.Pretrained, depth api.Depth) *wire.Pretrained {
	if p == nil {
		return nil
	}
	uri := strings.ReplaceAll(string(p.URI), "{depth}", fmt.Sprint(depth))
	out := &wire.Pretrained{URI: uri, InputAdaptation: p.InputAdaptation}
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

func checkpoint(c api.Checkpoint) wire.CheckpointSettings {
	out := wire.DefaultCheckpointSettings(string(c.URI))
	out.EveryEpochs = int(ptr.Deref(c.EveryEpochs, int32(out.EveryEpochs)))
	out.KeepLast = int(ptr.Deref(c.KeepLast, int32(out.KeepLast)))
	out.ResumeFrom = ptr.Deref(c.ResumeFrom, "")
	return out
}

// overrideOf returns a run's override of a depth, or an empty one.
func overrideOf(run *api.TrainingRun, depth api.Depth) api.DepthOverride {
	for _, o := range run.Spec.Overrides {
		if o.Depth == depth {
			return o
		}
	}
	return api.DepthOverride{}
}
