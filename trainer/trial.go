package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/trainer/tensorboard"
	"plumbline.dev/plumbline/wire"
)

// attempt is one process that trains one trial, in a pod or on a person's machine.
type attempt struct {
	trial  wire.Trial
	writer string
	gpu    bool // train on a GPU; false if GPUs are simulated
	log    *slog.Logger
	spool  func(wire.Report) error
	pinned func() string // a checkpoint that must not be removed; may be nil; see checkpoint.NewWriter

	// mayStartOver lets the trial start from the beginning if checkpoints exist and none fits. Otherwise that is an
	// error.
	mayStartOver bool

	progress func(loop.Progress)          // may be nil
	worked   func(epoch int, what string) // may be nil; see loop.World
}

// errFloat16 says that float16 is for GPUs.
var errFloat16 = errors.New("precision float16 needs a GPU, and this trial has none: set float32 or bfloat16")

// train trains the trial: it reads the data, builds the model, finds a checkpoint to resume from, and runs the loop.
func (a attempt) train(ctx context.Context) (loop.Outcome, error) {
	if err := a.findGPU(); err != nil {
		return loop.Outcome{}, err
	}
	if a.trial.Hyperparameters.Precision == wire.Float16 && !a.gpu {
		return loop.Outcome{}, settingsError(errFloat16)
	}
	if a.worked == nil {
		a.worked = func(int, string) {}
	}
	data, note, err := loadData(ctx, a.trial, a.log, func(what string) { a.worked(0, what) })
	if err != nil {
		return loop.Outcome{}, err
	}
	mean, std, constant := data.Normalisation()
	start, err := a.loadPretrained(data.Channels)
	if err != nil {
		return loop.Outcome{}, err
	}
	model, err := session.New(session.Config{
		Architecture: start.architecture,
		Channels:     len(data.Channels),
		Mean:         mean,
		Std:          std,
		Hyper:        a.trial.Hyperparameters,
		Threads:      a.trial.Threads,
		GPU:          a.gpu,
	})
	if err != nil {
		return loop.Outcome{}, fmt.Errorf("build depth %d: %w", a.trial.Depth, err)
	}
	defer model.Close()
	a.worked(0, "the building of the graph")

	notes := append(cautions(a.trial.Hyperparameters, a.trial.Imbalance, a.gpu), note, constant)
	cfg := loop.Config{
		Trial:    a.trial,
		Writer:   a.writer,
		Note:     joinNotes(notes...),
		Manifest: a.manifest(model, data, mean, std),
	}
	cfg.Manifest.Pretrained = start.digest
	from, err := a.findResume(cfg)
	if err != nil {
		return loop.Outcome{}, err
	}
	if from == nil {
		if err := start.restoreInto(model); err != nil {
			return loop.Outcome{}, err
		}
	}
	c := a.trial.Checkpoint
	store, err := checkpoint.NewWriter(c.URI, a.trial.Run.UID, a.trial.Name, a.writer, c.KeepLast, a.pinned)
	if err != nil {
		return loop.Outcome{}, storeError(c.URI, err)
	}
	events := tensorboard.New(tensorboard.Config{
		Trial:   a.trial,
		Writer:  a.writer,
		Log:     a.log,
		Samples: tensorboard.Samples{IDs: data.IDs, Images: data.Images, Size: data.Size, Channels: data.Channels},
	})
	defer events.Close()
	out, err := loop.Run(ctx, cfg, model, data, from, loop.World{
		Store:    store,
		Spool:    events.After(a.spool),
		Now:      time.Now,
		Log:      a.log,
		Progress: a.progress,
		Worked:   a.worked,
	})
	if err != nil {
		return out, err
	}
	test := testSet(data, func() { a.worked(out.Epoch, "the reading of test images for the page") })
	if err := writeEvaluation(ctx, model, test, out.Best.Checkpoint, store.Dir(), a.log); err != nil {
		a.log.Warn("cannot write the page about the best", "error", err) // the trial succeeds without it
	}
	return out, nil
}

// noGPU is the error of a trial that finds no GPU.
const noGPU = "a GPU was requested, but TensorFlow %s finds none: check that the image is the GPU image, " +
	"and that the node's driver supports its CUDA version"

// findGPU returns an error if the trial must train on a GPU and there is none. Training on the CPU instead would take
// days, and nobody would know why.
func (a attempt) findGPU() error {
	if !a.gpu {
		return nil
	}
	gpus, err := session.GPUs(a.trial.Threads)
	if err != nil {
		return err
	}
	if len(gpus) == 0 {
		return &ending{code: wire.ExitDevice, reason: "NoDevice", err: fmt.Errorf(noGPU, session.Version())}
	}
	a.log.Info("training on a GPU", "device", gpus[0])
	return nil
}

// manifest returns the fields of a manifest that all checkpoints of the trial share.
func (a attempt) manifest(model *session.Model, data loop.Data, mean, std []float64) wire.Manifest {
	device := "cpu"
	if a.gpu {
		device = "gpu"
	}
	return wire.Manifest{
		Architecture: model.Architecture(),
		Classes:      []string{dataset.Normal.String(), dataset.Defect.String()},
		Positive:     dataset.Defect.String(),
		Input: wire.Input{
			Channels: data.Channels,
			Size:     data.Size,
			Resizer:  dataset.Resizer,
			Mean:     mean,
			Std:      std,
		},
		Digests: data.Digests,
		Numerics: wire.Numerics{
			TensorFlow: session.Version(),
			ISA:        session.ISA(),
			Threads:    a.trial.Threads,
			Precision:  a.trial.Hyperparameters.Precision,
			Device:     device,
		},
	}
}

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

// joinNotes joins the notes that are not empty.
func joinNotes(notes ...string) string {
	var some []string
	for _, n := range notes {
		if n != "" {
			some = append(some, n)
		}
	}
	return strings.Join(some, "; ")
}
