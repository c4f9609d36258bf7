package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// openBest reads the best checkpoint in a directory that a person named, and verifies every byte of it.
func openBest(dir string) (checkpoint.Checkpoint, wire.CheckpointRef, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return checkpoint.Checkpoint{}, wire.CheckpointRef{}, err
	}
	ref, err := checkpoint.RefOf(dir)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, checkpoint.ErrDamaged) {
		err = fmt.Errorf("there is no checkpoint: %s does not exist", dir)
		return checkpoint.Checkpoint{}, ref, missingError(dir, err)
	}
	if err != nil {
		return checkpoint.Checkpoint{}, ref, err
	}
	c, err := loadBest(ref)
	return c, ref, err
}

// openModel returns a model with a checkpoint's weights. It scores and explains images, and is not for training.
func openModel(c checkpoint.Checkpoint, threads int) (*session.Model, error) {
	in, a := c.Manifest.Input, c.Manifest.Architecture
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.ImageSize = in.Size
	// A best checkpoint's tensors are already the averages, if the trial kept averages. SGD has the fewest slots.
	h.EMA, h.Augment, h.Optimizer = 0, wire.Augment{}, wire.SGD
	model, err := session.New(session.Config{
		Architecture: resnet.Architecture{Depth: a.Depth, Block: a.Block, Epsilon: a.Epsilon, Classes: resnet.Classes},
		Channels:     len(in.Channels),
		Mean:         in.Mean,
		Std:          in.Std,
		Hyper:        h,
		Threads:      max(1, threads),
	})
	if err != nil {
		return nil, fmt.Errorf("build depth %d: %w", a.Depth, err)
	}
	if err := model.Restore(loop.Inference, c.Tensors); err != nil {
		model.Close()
		return nil, err
	}
	return model, nil
}

// loadBest reads and verifies a best checkpoint that can be published.
func loadBest(ref wire.CheckpointRef) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Load(ref)
	switch {
	case errors.Is(err, checkpoint.ErrDamaged):
		return c, &ending{code: wire.ExitData, reason: "DamagedCheckpoint", where: ref.URI, err: err}
	case errors.Is(err, fs.ErrNotExist):
		return c, missingError(ref.URI, err)
	case err != nil:
		return c, storeError(ref.URI, err)
	case c.Manifest.Kind != wire.CheckpointBest:
		return c, dataError(ref.URI, fmt.Errorf(
			"%s is a %s checkpoint; a best checkpoint is needed", ref.URI, c.Manifest.Kind))
	case len(c.Manifest.Golden) == 0:
		return c, dataError(ref.URI, fmt.Errorf("%s has no recorded predictions to verify a model with", ref.URI))
	}
	return c, nil
}
