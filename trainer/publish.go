package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/export"
	"plumbline.dev/plumbline/wire"
)

const publishHelp = `Make a version of a model from a best checkpoint.

The program verifies every digest of the checkpoint, exports a SavedModel, loads it, and repeats the predictions that
the checkpoint recorded. Only then <registry>/<model>/<number>/ appears, complete.

By hand you say with flags what to publish. In a publishing Job the environment variable
` + wire.EnvPublication + ` says it.

A version that exists already is never overwritten. If it was made from the same checkpoint, publishing succeeds; if it
was made from another one, publishing fails.`

const publishExample = `  plumbline-trainer publish --checkpoint out/fit/d18/d18-a1-local/best-e0005 \
      --registry models --model erasers`

// published is the output of publish. Its %[1]s is the version's directory, and its %[2]s is the digest of its card.
const published = `published %[1]s
digest    %[2]s
next      plumbline-trainer predict --model %[1]s --data DIR --split test
`

func newPublishCommand(p *program) *cobra.Command {
	var dir, registry, model string
	var number int64
	cmd := &cobra.Command{
		Use:     "publish [--checkpoint DIR --registry DIR --model NAME]",
		Short:   "Publish a checkpoint as a version of a model",
		Long:    publishHelp,
		Example: publishExample,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoint", "", checkpointFlag+"; without it, "+wire.EnvPublication+" says what to publish")
	f.StringVar(&registry, "registry", "", "directory of all models; created if it does not exist")
	f.StringVar(&model, "model", "", "name of the model")
	f.Int64Var(&number, "number", 0, "number of the version; 0: one more than the highest")
	cmd.MarkFlagsRequiredTogether("checkpoint", "registry", "model")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			return publishInPod(cmd.Context(), p)
		}
		pub, err := publicationOf(dir, registry, model, number)
		if err != nil {
			return err
		}
		path, digest, err := publishModel(cmd.Context(), pub, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, published, path, digest)
		return err
	}
	return cmd
}

// publicationOf returns the document that a publishing Job would get for these flags.
func publicationOf(dir, registry, model string, number int64) (wire.Publication, error) {
	dir, errDir := filepath.Abs(dir)
	registry, errRegistry := filepath.Abs(registry)
	if err := errors.Join(errDir, errRegistry); err != nil {
		return wire.Publication{}, err
	}
	ref, err := checkpoint.RefOf(dir)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, checkpoint.ErrDamaged) {
		return wire.Publication{}, missingError(dir, err)
	}
	if err != nil {
		return wire.Publication{}, err
	}
	if number == 0 {
		highest, err := highestVersion(filepath.Join(registry, model))
		if err != nil {
			return wire.Publication{}, storeError(registry, err)
		}
		number = highest + 1
	}
	text, err := json.Marshal(wire.Publication{
		Version:    wire.Version,
		Model:      model,
		Number:     number,
		Registry:   wire.LocalURI(registry),
		Checkpoint: ref,
		Run:        standalone,
	})
	if err != nil {
		return wire.Publication{}, err
	}
	pub, err := wire.DecodePublication(text)
	if err != nil {
		return wire.Publication{}, settingsError(err)
	}
	return pub, nil
}

// publishInPod publishes the checkpoint that the environment names, and writes the pod's termination message.
func publishInPod(ctx context.Context, p *program) error {
	log := p.log()
	text := p.env(wire.EnvPublication)
	if text == "" {
		return settingsError(fmt.Errorf(
			"there is nothing to publish: neither --checkpoint nor %s is set", wire.EnvPublication))
	}
	pub, err := wire.DecodePublication([]byte(text))
	if err != nil {
		return leaveFailure(log, resultFile(text), settingsError(err), 0)
	}
	path, digest, err := publishModel(ctx, pub, log)
	if err != nil {
		return leaveFailure(log, pub.Result, err, 0)
	}
	log.Info("published", "model", pub.Model, "number", pub.Number, "path", path, "digest", digest)
	return writeResult(pub.Result, wire.Result{Reason: "Published", Digest: digest, URI: wire.LocalURI(path)})
}

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
			"%s is a %s checkpoint; only a best checkpoint can become a model", ref.URI, c.Manifest.Kind))
	case len(c.Manifest.Golden) == 0:
		return c, dataError(ref.URI, fmt.Errorf("%s has no recorded predictions to verify a model with", ref.URI))
	}
	return c, nil
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

// tolerance is how far a replayed prediction may be from the recorded one. A wrong weight changes a prediction by far
// more.
type tolerance struct {
	probability float64
	logit       float64 // if the logit is closer than this to the threshold, the decision may differ
}

// toleranceOf returns the tolerance for predictions that were recorded with these numerics. They are replayed on a
// CPU. Between two CPUs float32 sums differ in the last digits. A GPU rounds the factors of a convolution to TF32,
// which has 10 bits of mantissa: about 1e-3 in a score. With the lowest temperature, 0.1, that is up to 1e-2 in a
// logit, and a quarter of that in a probability. The tolerance is twice as much.
func toleranceOf(n wire.Numerics) tolerance {
	if n.Device == "gpu" {
		return tolerance{probability: 5e-3, logit: 2e-2}
	}
	return tolerance{probability: 1e-5, logit: 1e-3}
}

// replayFailed is the error of a model whose prediction differs from the recorded one.
const replayFailed = "the model is not published: for sample %s it gives the probability %.7f (defect: %v), " +
	"and training recorded %.7f (defect: %v)"

// replay asks the exported model about the recorded images. It returns an error unless the model gives the recorded
// probabilities, and the recorded decisions wherever the logit is not within rounding of the threshold.
func replay(dir string, c checkpoint.Checkpoint, threads int) error {
	served, err := export.Load(dir, threads)
	if err != nil {
		return fmt.Errorf("load the exported model: %w", err)
	}
	defer served.Close()
	m := c.Manifest
	predictions, err := served.Predict(c.Golden, len(m.Golden))
	if err != nil {
		return fmt.Errorf("replay the recorded predictions: %w", err)
	}
	within := toleranceOf(m.Numerics)
	for i, g := range m.Golden {
		p := predictions[i]
		near := math.Abs(g.Logit-m.Calibration.Threshold) < within.logit
		if !(math.Abs(float64(p.Probability)-g.Probability) <= within.probability) || p.Positive != g.Defect && !near {
			err := fmt.Errorf(replayFailed, g.ID, p.Probability, p.Positive, g.Probability, g.Defect)
			return &ending{code: wire.ExitData, reason: "ReplayFailed", where: g.ID, err: err}
		}
	}
	return nil
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
