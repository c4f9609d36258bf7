package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

const publishHelp = `Make a version of a model from a best checkpoint.

The program verifies every digest of the checkpoint, exports a SavedModel, loads it, and repeats the predictions that
the checkpoint recorded. Only then <registry>/<model>/<number>/ appears, complete.

On the command line, flags say what to publish. In a publishing Job, the environment variable
` + wire.EnvPublication + ` does.

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
