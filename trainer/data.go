package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

// loadData reads, splits and packs the data set. If the data is wrong, the error names every problem, and a retry does
// not help. note is what a reader of the results must know about the split. worked is called after each image.
func loadData(
	ctx context.Context, t wire.Trial, log *slog.Logger, worked func(what string),
) (data loop.Data, note string, err error) {
	after := func(what string) func(done, total int) {
		return func(done, total int) { worked(fmt.Sprintf("the %s of image %d of %d", what, done, total)) }
	}
	set, overlay, err := loadSet(ctx, t.Dataset, after("reading"))
	if err != nil {
		return loop.Data{}, "", err
	}
	split, err := set.Split(splitSpec(t.Dataset.Split))
	if err != nil {
		return loop.Data{}, "", dataError(set.Dir, err)
	}
	began := time.Now()
	packed, err := set.PackCached(ctx, t.Hyperparameters.ImageSize, cacheDir(t.Checkpoint.URI), after("decoding"))
	if err != nil {
		return loop.Data{}, "", readError(set.Dir, err)
	}
	if packed.Warning != "" {
		log.Warn("note on the cache of decoded images", "why", packed.Warning)
	}
	data = loop.Data{
		Images:     packed.Pixels,
		Size:       t.Hyperparameters.ImageSize,
		Channels:   set.Config.Channels,
		Train:      split.Train,
		Validation: split.Validation,
		Test:       split.Test,
		Digests: wire.Digests{
			Data:    set.Digests.Data,
			Labels:  set.Digests.Labels,
			Overlay: set.Digests.Overlay,
			Split:   split.Digest,
		},
	}
	defects := 0
	for _, s := range set.Samples {
		data.Labels = append(data.Labels, int32(s.Label))
		data.IDs = append(data.IDs, s.ID)
		data.Groups = append(data.Groups, s.Package)
		defects += int(s.Label)
	}
	log.Info("data set packed", "dir", set.Dir, "overlay", overlay, "samples", len(set.Samples), "defects", defects,
		"train", len(split.Train), "validation", len(split.Validation), "test", len(split.Test),
		"channels", strings.Join(set.Config.Channels, ","), "cache", packed.File, "cached", packed.Cached,
		"seconds", fmt.Sprintf("%.1f", time.Since(began).Seconds()))
	if split.Note != "" {
		log.Warn("note on the split", "note", split.Note)
	}
	return data, split.Note, nil
}

// cacheDir returns the directory in which decoded images are stored for the next start, or "" for no cache. It is
// beside the checkpoints, the only place that outlives a pod, that all trials share, and that a pod may write to: the
// data set is mounted read-only.
func cacheDir(checkpoints string) string {
	dir, err := wire.LocalPath(checkpoints)
	if err != nil {
		return "" // the store is not a directory of this machine
	}
	return filepath.Join(dir, checkpoint.CacheName)
}

// splitSpec converts a trial's split for the data set.
func splitSpec(s wire.Split) dataset.SplitSpec {
	return dataset.SplitSpec{Test: s.Test, Validation: s.Validation, Seed: s.Seed, GroupBy: s.GroupBy}
}

// loadSet reads the data set and returns it with the path of the corrections that d names, if it names any. progress is
// called after each image; it may be nil.
func loadSet(
	ctx context.Context, d wire.Dataset, progress func(done, total int),
) (set *dataset.Set, overlay string, err error) {
	dir, err := wire.LocalPath(d.URI)
	if err != nil {
		return nil, "", settingsError(err)
	}
	if d.Corrections != "" {
		if overlay, err = wire.LocalPath(d.Corrections); err != nil {
			return nil, "", settingsError(err)
		}
	}
	for _, path := range []string{dir, overlay} {
		if path != "" && isMissing(path) {
			return nil, "", missingError(path, fmt.Errorf("%s does not exist", path))
		}
	}
	if set, err = dataset.Load(ctx, dir, overlay, progress); err != nil {
		return nil, "", readError(dir, err)
	}
	return set, overlay, nil
}

// readError returns an error of reading dir, with its ending. An error that endingOf does not know means that a disk
// failed, so a retry may help.
func readError(dir string, err error) error {
	if endingOf(err).code != wire.ExitInternal {
		return err
	}
	return storeError(dir, err)
}
