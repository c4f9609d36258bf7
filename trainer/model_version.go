package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/export"
	"plumbline.dev/plumbline/wire"
)

// publishModel publishes a version and returns its directory and the digest of its card. If the version exists
// already, complete and from the same checkpoint, publishModel succeeds too: an earlier pod published it and ended
// before it could report that.
func publishModel(ctx context.Context, pub wire.Publication, log *slog.Logger) (path, digest string, err error) {
	registry, err := wire.LocalPath(pub.Registry)
	if err != nil {
		return "", "", settingsError(err)
	}
	model := filepath.Join(registry, pub.Model)
	final := filepath.Join(model, fmt.Sprint(pub.Number))
	if !isMissing(final) {
		log.Info("the version exists already", "path", final)
		digest, err = samePublished(final, pub)
		return final, digest, err
	}
	c, err := loadBest(pub.Checkpoint)
	if err != nil {
		return "", "", err
	}
	log.Info("checkpoint verified",
		"checkpoint", pub.Checkpoint.URI, "trial", c.Manifest.Trial, "epoch", c.Manifest.Epoch)
	temp, err := newStagingDir(model, pub.Number)
	if err != nil {
		return "", "", storeError(model, fmt.Errorf("write to the registry: %w", err))
	}
	defer func() { _ = os.RemoveAll(temp) }() // after success temp does not exist any more
	if digest, err = exportVersion(temp, c, pub.Checkpoint.Digest, log); err != nil {
		return "", "", err
	}
	if ctx.Err() != nil {
		return "", "", fmt.Errorf("interrupted before publishing: %w", ctx.Err())
	}
	failpoint.Here("publication.rename.before")
	if err := os.Rename(temp, final); err != nil {
		if !isMissing(final) { // another pod has published it meanwhile
			digest, err = samePublished(final, pub)
			return final, digest, err
		}
		return "", "", storeError(final, err)
	}
	failpoint.Here("publication.rename.after")
	if err := checkpoint.Sync(model); err != nil {
		return "", "", storeError(model, err)
	}
	return final, digest, nil
}

// samePublished returns the digest of the card of an existing version. It returns an error unless the version is what
// would be published now.
func samePublished(final string, pub wire.Publication) (digest string, err error) {
	there, digest, err := readCard(final)
	switch {
	case errors.Is(err, errNotAsPublished):
		return "", dataError(final, fmt.Errorf("version %d of %s exists already, but %w", pub.Number, pub.Model, err))
	case err != nil:
		return "", storeError(final, err)
	case there.Checkpoint != pub.Checkpoint.Digest:
		return "", dataError(final, fmt.Errorf(
			"version %d of %s was published from another checkpoint, %s, and is not overwritten",
			pub.Number, pub.Model, there.Checkpoint))
	}
	return digest, nil
}

// exportVersion writes a version into dir, replays the recorded predictions on it, and syncs it to the disk. It
// returns the digest of the version's card. checkpointDigest is the digest of the checkpoint's manifest.
func exportVersion(
	dir string, c checkpoint.Checkpoint, checkpointDigest string, log *slog.Logger,
) (digest string, err error) {
	m := c.Manifest
	threads := runtime.GOMAXPROCS(0)
	err = export.Write(dir, export.Model{
		Architecture: m.Architecture,
		Input:        m.Input,
		Calibration:  m.Calibration,
		Tensors:      c.Tensors,
		Threads:      threads,
	})
	if err != nil {
		return "", storeError(dir, err)
	}
	if err := replay(dir, c, threads); err != nil {
		return "", err
	}
	log.Info("recorded predictions replayed", "predictions", len(m.Golden))
	if digest, err = writeCard(dir, checkpointDigest, m); err != nil {
		return "", storeError(dir, err)
	}
	if err := syncTree(dir); err != nil {
		return "", storeError(dir, err)
	}
	return digest, nil
}

// syncTree syncs all files and directories to the disk, so that a version that is renamed into place survives a crash.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return checkpoint.Sync(path)
	})
}
