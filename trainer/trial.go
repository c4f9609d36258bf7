package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/trainer/tensorboard"
	"plumbline.dev/plumbline/wire"
)

// trialProcess is a process that trains one trial, in a pod or on the machine of a person.
type trialProcess struct {
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

// train trains the trial: it reads the data, builds the model, finds a checkpoint to resume from, and runs the loop.
func (tp trialProcess) train(ctx context.Context) (loop.Outcome, error) {
	if err := tp.checkDevice(); err != nil {
		return loop.Outcome{}, err
	}
	if tp.worked == nil {
		tp.worked = func(int, string) {}
	}
	data, splitNote, err := loadData(ctx, tp.trial, tp.log, func(what string) { tp.worked(0, what) })
	if err != nil {
		return loop.Outcome{}, err
	}
	mean, std, channelNote := data.Normalisation()
	start, err := tp.loadPretrained(data.Channels)
	if err != nil {
		return loop.Outcome{}, err
	}
	model, err := tp.buildModel(start.architecture, mean, std)
	if err != nil {
		return loop.Outcome{}, err
	}
	defer model.Close()

	notes := append(cautions(tp.trial.Hyperparameters, tp.trial.Imbalance, tp.gpu), splitNote, channelNote)
	cfg := loop.Config{
		Trial:    tp.trial,
		Writer:   tp.writer,
		Note:     joinNotes(notes...),
		Manifest: tp.manifest(model, data, mean, std),
	}
	cfg.Manifest.Pretrained = start.digest
	from, err := tp.findResume(cfg)
	if err != nil {
		return loop.Outcome{}, err
	}
	if from == nil {
		if err := start.restoreInto(model); err != nil {
			return loop.Outcome{}, err
		}
	}
	return tp.runLoop(ctx, cfg, model, data, from)
}

// noGPU is the error of a trial that finds no GPU.
const noGPU = "a GPU was requested, but TensorFlow %s finds none: check that the image is the GPU image, " +
	"and that the node's driver supports its CUDA version"

// errFloat16 says that float16 is for GPUs.
var errFloat16 = errors.New("precision float16 needs a GPU, and this trial has none: set float32 or bfloat16")

// checkDevice returns an error if the trial must train on a GPU and there is none, or if its precision needs a GPU that
// the trial does not have. Training on the CPU instead would take days, and the user would not know why.
func (tp trialProcess) checkDevice() error {
	if !tp.gpu {
		if tp.trial.Hyperparameters.Precision == wire.Float16 {
			return settingsError(errFloat16)
		}
		return nil
	}
	gpus, err := session.GPUs(tp.trial.Threads)
	if err != nil {
		return err
	}
	if len(gpus) == 0 {
		return &ending{code: wire.ExitDevice, reason: "NoDevice", err: fmt.Errorf(noGPU, session.Version())}
	}
	tp.log.Info("training on a GPU", "device", gpus[0])
	return nil
}

// buildModel returns a model with random weights. mean and std have one value per channel of the data.
func (tp trialProcess) buildModel(a resnet.Architecture, mean, std []float64) (*session.Model, error) {
	model, err := session.New(session.Config{
		Architecture: a,
		Channels:     len(mean),
		Mean:         mean,
		Std:          std,
		Hyper:        tp.trial.Hyperparameters,
		Threads:      tp.trial.Threads,
		GPU:          tp.gpu,
	})
	if err != nil {
		return nil, fmt.Errorf("build depth %d: %w", tp.trial.Depth, err)
	}
	tp.worked(0, "the building of the graph")
	return model, nil
}

// runLoop trains the model in the loop, with checkpoints, TensorBoard's events and reports, and writes the page about
// the best. from is the checkpoint to resume from; it is nil if the trial starts from the beginning.
func (tp trialProcess) runLoop(
	ctx context.Context, cfg loop.Config, model *session.Model, data loop.Data, from *checkpoint.Checkpoint,
) (loop.Outcome, error) {
	c := tp.trial.Checkpoint
	store, err := checkpoint.NewWriter(c.URI, tp.trial.Run.UID, tp.trial.Name, tp.writer, c.KeepLast, tp.pinned)
	if err != nil {
		return loop.Outcome{}, storeError(c.URI, err)
	}
	events := tensorboard.New(tensorboard.Config{
		Trial:   tp.trial,
		Writer:  tp.writer,
		Log:     tp.log,
		Samples: tensorboard.Samples{IDs: data.IDs, Images: data.Images, Size: data.Size, Channels: data.Channels},
	})
	defer events.Close()
	out, err := loop.Run(ctx, cfg, model, data, from, loop.World{
		Store:    store,
		Spool:    events.After(tp.spool),
		Now:      time.Now,
		Log:      tp.log,
		Progress: tp.progress,
		Worked:   tp.worked,
	})
	if err != nil {
		return out, err
	}
	test := testSet(data, func() { tp.worked(out.Epoch, "the reading of test images for the page") })
	if err := writeEvaluation(ctx, model, test, out.Best.Checkpoint, store.Dir(), tp.log); err != nil {
		tp.log.Warn("cannot write the page about the best", "error", err) // the trial succeeds without it
	}
	return out, nil
}

// manifest returns the fields of a manifest that all checkpoints of the trial share.
func (tp trialProcess) manifest(model *session.Model, data loop.Data, mean, std []float64) wire.Manifest {
	device := "cpu"
	if tp.gpu {
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
			Threads:    tp.trial.Threads,
			Precision:  tp.trial.Hyperparameters.Precision,
			Device:     device,
		},
	}
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
