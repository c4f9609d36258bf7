package main

import (
	"errors"
	"fmt"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// findResume returns the checkpoint that the trial resumes from, or nil if it starts from the beginning. It looks for a
// checkpoint of an earlier attempt and then, if the trial names an older run, for one of that run.
func (tp trialProcess) findResume(cfg loop.Config) (*checkpoint.Checkpoint, error) {
	from, refused, err := tp.findIn(tp.trial.Run.UID, cfg.CheckResume)
	older := tp.trial.Checkpoint.ResumeFrom
	switch {
	case err != nil || from != nil:
		return from, err
	case older != "":
		return tp.findInOlderRun(older, cfg)
	case len(refused) > 0 && !tp.mayStartOver:
		return nil, settingsError(fmt.Errorf("cannot resume from %s: %w", refused[0].Dir, refused[0].Why))
	}
	tp.log.Info("training starts from the beginning",
		"depth", tp.trial.Depth, "pretrained", tp.trial.Pretrained != nil, "seed", tp.trial.Hyperparameters.Seed)
	return nil, nil
}

// withoutResume ends the errors of findInOlderRun.
const withoutResume = "; a run without checkpoint.resumeFrom starts from the beginning"

// findInOlderRun returns the checkpoint that an older run left of the trial. It returns an error if there is none or if
// it does not fit. Starting from the beginning instead would hide from the user that the older run's progress is lost.
func (tp trialProcess) findInOlderRun(run string, cfg loop.Config) (*checkpoint.Checkpoint, error) {
	from, refused, err := tp.findIn(run, cfg.CheckResumeFromOlderRun)
	if err != nil || from != nil {
		return from, err
	}
	cannot := func(r checkpoint.Refusal) error {
		return fmt.Errorf("cannot resume from %s of run %s: %w%s", r.Dir, run, r.Why, withoutResume)
	}
	for _, r := range refused {
		if other := (*wire.OtherSettingsError)(nil); errors.As(r.Why, &other) {
			return nil, settingsError(cannot(r))
		}
	}
	if len(refused) > 0 {
		return nil, dataError(refused[0].Dir, cannot(refused[0]))
	}
	where := tp.trial.Checkpoint.URI + "/" + wire.WriterDir(run, tp.trial.Name, "")
	return nil, missingError(where, fmt.Errorf("run %s has left no checkpoint of %s: there is none in %s, "+
		"because that trial never saved one, or because it was pruned%s", run, tp.trial.Name, where, withoutResume))
}

// findIn returns a run's newest checkpoint that the trial can resume from, or nil, and the newer ones that it refused.
func (tp trialProcess) findIn(
	run string, check func(wire.Manifest) error,
) (*checkpoint.Checkpoint, []checkpoint.Refusal, error) {
	from, ref, refused, err := checkpoint.FindResume(tp.trial.Checkpoint.URI, run, tp.trial.Name, check)
	if err != nil {
		return nil, nil, storeError(tp.trial.Checkpoint.URI, err)
	}
	for _, r := range refused {
		tp.log.Warn("cannot resume from a checkpoint", "checkpoint", r.Dir, "why", r.Why)
	}
	if from != nil {
		tp.log.Info("resuming from a checkpoint",
			"checkpoint", ref.URI, "epoch", from.Manifest.Epoch, "step", from.Manifest.Step)
	}
	return from, refused, nil
}
