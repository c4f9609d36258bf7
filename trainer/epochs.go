package main

import (
	"path/filepath"
	"slices"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// epochsOf is what is known of the trial's epochs. A best checkpoint holds the reports before its own; those after it stand in the
// resume checkpoints beside it, of which the longest history is taken that names this very checkpoint. Without any, the manifest still
// tells the checkpoint's own epoch.
func epochsOf(c checkpoint.Checkpoint, ref wire.CheckpointRef) []wire.Report {
	m := c.Manifest
	own := wire.Report{Kind: wire.Epoch, Epoch: m.Epoch, Epochs: m.Settings.Hyperparameters.Epochs, Step: m.Step, Metrics: m.Metrics, Checkpoint: &ref}
	longest := byEpoch(append(slices.Clone(c.History), own))
	dir, err := wire.LocalPath(ref.URI)
	if err != nil {
		return longest
	}
	resumes, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "*", wire.CheckpointResume+"-*"))
	if err != nil {
		return longest
	}
	for _, resume := range resumes {
		history, err := checkpoint.History(resume)
		names := slices.ContainsFunc(history, func(r wire.Report) bool { return r.Checkpoint != nil && r.Checkpoint.Digest == ref.Digest })
		if epochs := byEpoch(history); err == nil && names && len(epochs) >= len(longest) {
			longest = epochs
		}
	}
	return longest
}

// byEpoch leaves the epochs' reports, one each, in order. What was told again comes later and says the same.
func byEpoch(reports []wire.Report) []wire.Report {
	var epochs []wire.Report
	for _, r := range reports {
		i, found := slices.BinarySearchFunc(epochs, r.Epoch, func(a wire.Report, epoch int) int { return a.Epoch - epoch })
		switch {
		case r.Kind != wire.Epoch:
		case found:
			epochs[i] = r
		default:
			epochs = slices.Insert(epochs, i, r)
		}
	}
	return epochs
}
