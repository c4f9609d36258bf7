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

const publishHelp = `Make a version of a model from a best checkpoint: verify every digest, export a SavedModel, load it again, replay the
predictions that the checkpoint recorded, and only then let <registry>/<model>/<number>/ appear, whole.

In a publishing Job ` + wire.EnvPublication + ` says what; by hand the flags do. A version that is there already is never written over: from the
same checkpoint it counts as published, from another one it is refused.`

func newPublishCommand(p *program) *cobra.Command {
	var dir, registry, model string
	var number int64
	cmd := &cobra.Command{
		Use: "publish", Short: "Publish a checkpoint as a version of a model", Long: publishHelp, Args: cobra.NoArgs,
		Example: "  plumbline-trainer publish --checkpoint out/fit/d18/d18-a1-local/best-e0005 --registry models --model erasers",
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoint", "", "directory of a best checkpoint; without it, "+wire.EnvPublication+" says what to publish")
	f.StringVar(&registry, "registry", "", "directory of models; made where it is not there")
	f.StringVar(&model, "model", "", "name of the model")
	f.Int64Var(&number, "number", 0, "of the version; 0 takes the next one")
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
		_, err = fmt.Fprintf(p.out, "published %s\ndigest    %s\nnext      plumbline-trainer predict --model %s --data DIR --split test\n", path, digest, path)
		return err
	}
	return cmd
}

// publicationOf is what a Job would be told.
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
		Version: wire.Version, Model: model, Number: number, Registry: wire.LocalURI(registry), Checkpoint: ref, Run: standalone,
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

// publishInPod publishes what the Job was told to and leaves the pod's last word.
func publishInPod(ctx context.Context, p *program) error {
	log := p.log()
	text := p.env(wire.EnvPublication)
	if text == "" {
		return settingsError(fmt.Errorf("neither --checkpoint nor %s says what to publish", wire.EnvPublication))
	}
	pub, err := wire.DecodePublication([]byte(text))
	if err != nil {
		return endPodWithError(log, resultFile(text), settingsError(err), 0)
	}
	path, digest, err := publishModel(ctx, pub, log)
	if err != nil {
		return endPodWithError(log, pub.Result, err, 0)
	}
	log.Info("published", "model", pub.Model, "number", pub.Number, "path", path, "digest", digest)
	return writeResult(pub.Result, wire.Result{Reason: "Published", Digest: digest, URI: wire.LocalURI(path)})
}

// publishModel makes the version appear and returns its directory and the digest of its card. Where it is there already, from the
// same checkpoint and whole, that is success as well: an earlier pod came this far and could not say so.
func publishModel(ctx context.Context, pub wire.Publication, log *slog.Logger) (path, digest string, err error) {
	registry, err := wire.LocalPath(pub.Registry)
	if err != nil {
		return "", "", settingsError(err)
	}
	model := filepath.Join(registry, pub.Model)
	final := filepath.Join(model, fmt.Sprint(pub.Number))
	if !isMissing(final) {
		log.Info("the version is there already", "path", final)
		digest, err = samePublished(final, pub)
		return final, digest, err
	}
	c, err := loadBest(pub.Checkpoint)
	if err != nil {
		return "", "", err
	}
	log.Info("checkpoint verified", "checkpoint", pub.Checkpoint.URI, "trial", c.Manifest.Trial, "epoch", c.Manifest.Epoch)
	temp, err := newStagingDir(model, pub.Number)
	if err != nil {
		return "", "", storeError(model, fmt.Errorf("the registry cannot be written: %w", err))
	}
	defer os.RemoveAll(temp) // nothing is left of it after success
	if digest, err = exportVersion(temp, c, pub.Checkpoint.Digest, log); err != nil {
		return "", "", err
	}
	if ctx.Err() != nil {
		return "", "", fmt.Errorf("interrupted before publishing: %w", ctx.Err())
	}
	failpoint.Here("publication.rename.before")
	if err := os.Rename(temp, final); err != nil {
		if !isMissing(final) { // another pod was faster
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

// samePublished accepts a version that is there when it is what would be published now.
func samePublished(final string, pub wire.Publication) (digest string, err error) {
	there, digest, err := readCard(final)
	switch {
	case errors.Is(err, errNotAsPublished):
		return "", dataError(final, fmt.Errorf("version %d of %s is there already and is %w", pub.Number, pub.Model, err))
	case err != nil:
		return "", storeError(final, err)
	case there.Checkpoint != pub.Checkpoint.Digest:
		return "", dataError(final, fmt.Errorf("version %d of %s was published from another checkpoint, %s, and is not written over", pub.Number, pub.Model, there.Checkpoint))
	}
	return digest, nil
}

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
		return c, dataError(ref.URI, fmt.Errorf("%s is a %s checkpoint; a model is made from a best one", ref.URI, c.Manifest.Kind))
	case len(c.Manifest.Golden) == 0:
		return c, dataError(ref.URI, fmt.Errorf("%s recorded no predictions, so nothing could be replayed", ref.URI))
	}
	return c, nil
}

// exportVersion writes the whole version, on the disk when it returns, and has replayed the recorded predictions on it.
func exportVersion(dir string, c checkpoint.Checkpoint, from string, log *slog.Logger) (digest string, err error) {
	m := c.Manifest
	threads := runtime.GOMAXPROCS(0)
	err = export.Write(dir, export.Model{Architecture: m.Architecture, Input: m.Input, Calibration: m.Calibration, Tensors: c.Tensors, Threads: threads})
	if err != nil {
		return "", storeError(dir, err)
	}
	if err := replay(dir, c, threads); err != nil {
		return "", err
	}
	log.Info("recorded predictions replayed", "predictions", len(m.Golden))
	if digest, err = writeCard(dir, from, m); err != nil {
		return "", storeError(dir, err)
	}
	if err := syncTree(dir); err != nil {
		return "", storeError(dir, err)
	}
	return digest, nil
}

// tolerance is how far a replay may be from what was recorded; a wrong weight changes far more.
type tolerance struct {
	probability float64
	logit       float64 // within this of the threshold, the decision may be the other one
}

// toleranceOf follows the device that recorded the predictions; they are replayed on a CPU. Between two CPUs float32 sums differ in the
// last digits. A GPU rounds the factors of a convolution to TF32, which has 10 bits of mantissa: about 1e-3 in a score, so up to 1e-2 in
// a logit under the lowest temperature, 0.1, and a quarter of that in a probability. Twice that is let through.
func toleranceOf(n wire.Numerics) tolerance {
	if n.Device == "gpu" {
		return tolerance{probability: 5e-3, logit: 2e-2}
	}
	return tolerance{probability: 1e-5, logit: 1e-3}
}

// replay asks the exported model what the checkpoint's model was asked. It must give the same probabilities, and the same
// decisions where the logit is not within rounding of the threshold.
func replay(dir string, c checkpoint.Checkpoint, threads int) error {
	served, err := export.Load(dir, threads)
	if err != nil {
		return fmt.Errorf("load what was exported: %w", err)
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
			return &ending{code: wire.ExitData, reason: "ReplayFailed", where: g.ID, err: fmt.Errorf(
				"the exported model gives sample %s the probability %.7f (defect: %v), where %.7f (defect: %v) was recorded in training: it is not published",
				g.ID, p.Probability, p.Positive, g.Probability, g.Defect)}
		}
	}
	return nil
}

// syncTree brings files and directories to the disk, so that what is renamed into place survives a crash.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return checkpoint.Sync(path)
	})
}
