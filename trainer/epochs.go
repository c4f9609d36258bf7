package main

import (
	"path/filepath"
	"slices"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// epochsOf returns the known epoch reports of a best checkpoint's trial. The checkpoint's history ends before the
// report of the checkpoint's own epoch. The metrics of that epoch are in the manifest. Later epochs are in the
// histories of the resume checkpoints beside it: the longest history that names this checkpoint is returned, if there
// is one.
func epochsOf(c checkpoint.Checkpoint, ref wire.CheckpointRef) []wire.Report {
	m := c.Manifest
	own := wire.Report{
		Kind:       wire.ReportEpoch,
		Epoch:      m.Epoch,
		Epochs:     m.Settings.Hyperparameters.Epochs,
		Step:       m.Step,
		Metrics:    m.Metrics,
		Checkpoint: &ref,
	}
	longest := byEpoch(append(slices.Clone(c.History), own))
	dir, err := wire.LocalPath(ref.URI)
	if err != nil {
		return longest
	}
	resumes, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "*", wire.CheckpointResume+"-*"))
	if err != nil {
		return longest
	}
	namesIt := func(r wire.Report) bool { return r.Checkpoint != nil && r.Checkpoint.Digest == ref.Digest }
	for _, resume := range resumes {
		history, err := checkpoint.History(resume)
		if err != nil || !slices.ContainsFunc(history, namesIt) {
			continue
		}
		if epochs := byEpoch(history); len(epochs) >= len(longest) {
			longest = epochs
		}
	}
	return longest
}

// byEpoch returns one report for each epoch, ordered by epoch. Of several reports about an epoch it takes the last,
// which says the same as the others: a resumed trial sent it again.
func byEpoch(reports []wire.Report) []wire.Report {
	var epochs []wire.Report
	for _, r := range reports {
		compare := func(a wire.Report, epoch int) int { return a.Epoch - epoch }
		i, found := slices.BinarySearchFunc(epochs, r.Epoch, compare)
		switch {
		case r.Kind != wire.ReportEpoch:
		case found:
			epochs[i] = r
		default:
			epochs = slices.Insert(epochs, i, r)
		}
	}
	return epochs
}
