package main

import (
	"errors"
	"fmt"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// findResume looks for what an earlier attempt saved and, where there is none and the trial is told to, for what an older run left.
func (a attempt) findResume(cfg loop.Config) (*checkpoint.Checkpoint, error) {
	from, refused, err := a.findOf(a.trial.Run.UID, cfg.CheckResume)
	older := a.trial.Checkpoint.ResumeFrom
	switch {
	case err != nil || from != nil:
		return from, err
	case older != "":
		return a.findOlder(older, cfg)
	case len(refused) > 0 && !a.mayStartOver:
		return nil, settingsError(fmt.Errorf("%s cannot be gone on from: %w", refused[0].Dir, refused[0].Why))
	}
	a.log.Info("beginning", "depth", a.trial.Depth, "pretrained", a.trial.Pretrained != nil, "seed", a.trial.Hyperparameters.Seed)
	return nil, nil
}

// findOlder finds what an older run left of the trial. To begin anew instead would be no answer: whoever asked for the older run's
// progress must know that there is none.
func (a attempt) findOlder(run string, cfg loop.Config) (*checkpoint.Checkpoint, error) {
	from, refused, err := a.findOf(run, cfg.CheckResumeFromOlderRun)
	if err != nil || from != nil {
		return from, err
	}
	const out = "; a run without checkpoint.resumeFrom begins anew"
	for _, r := range refused {
		if other := (*wire.OtherSettingsError)(nil); errors.As(r.Why, &other) {
			return nil, settingsError(fmt.Errorf("run %s's %s cannot be gone on from: %w"+out, run, r.Dir, r.Why))
		}
	}
	if len(refused) > 0 {
		return nil, dataError(refused[0].Dir, fmt.Errorf("run %s's %s cannot be gone on from: %w"+out, run, refused[0].Dir, refused[0].Why))
	}
	where := a.trial.Checkpoint.URI + "/" + wire.WriterDir(run, a.trial.Name, "")
	return nil, missingError(where, fmt.Errorf("run %s has left no checkpoint of %s: %s holds none, since it never came that far, or it was pruned"+out, run, a.trial.Name, where))
}

// findOf looks for a run's newest checkpoint of the trial that can be gone on from, and tells of those that cannot.
func (a attempt) findOf(run string, check func(wire.Manifest) error) (*checkpoint.Checkpoint, []checkpoint.Refusal, error) {
	from, ref, refused, err := checkpoint.FindResume(a.trial.Checkpoint.URI, run, a.trial.Name, check)
	if err != nil {
		return nil, nil, storeError(a.trial.Checkpoint.URI, err)
	}
	for _, r := range refused {
		a.log.Warn("checkpoint passed over", "checkpoint", r.Dir, "why", r.Why)
	}
	if from != nil {
		a.log.Info("going on from a checkpoint", "checkpoint", ref.URI, "epoch", from.Manifest.Epoch, "step", from.Manifest.Step)
	}
	return from, refused, nil
}
