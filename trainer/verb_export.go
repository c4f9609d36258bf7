package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/trainer/checkpoint"
)

const exportHelp = `Write a best checkpoint as a SavedModel outside of any registry, for example for a test, or for
a machine without a cluster.

The result is the same as that of "publish": every digest is verified, the checkpoint's recorded predictions are
repeated with the written model, and the directory appears complete or not at all. "predict" can ask it. TensorFlow
Serving can serve it as a version if the directory's name is a number.`

func newExportCommand(p *program) *cobra.Command {
	var dir, out string
	cmd := &cobra.Command{
		Use:     "export --checkpoint DIR --out DIR",
		Short:   "Write a checkpoint as a SavedModel",
		Long:    exportHelp,
		Args:    cobra.NoArgs,
		Example: "  plumbline-trainer export --checkpoint out/fit/d18/d18-a1-local/best-e0005 --out erasers/1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return exportModel(cmd.Context(), p, dir, out) },
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoint", "", checkpointFlag)
	f.StringVar(&out, "out", "", "directory of the SavedModel; it must not exist")
	require(cmd, "checkpoint", "out")
	return cmd
}

// exported is the output of export.
const exported = `exported  %s
digest    %s
next      plumbline-trainer predict --model %s --data DIR
`

// exportModel exports the checkpoint in dir as the SavedModel out.
func exportModel(ctx context.Context, p *program, dir, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return settingsError(fmt.Errorf(
			"--out %s exists already and is not overwritten: choose another name, or remove it", out))
	}
	c, ref, err := openBest(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(out)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return storeError(parent, err)
	}
	temp, err := os.MkdirTemp(parent, ".exporting-")
	if err != nil {
		return storeError(parent, err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // after success temp does not exist any more
	digest, err := exportVersion(temp, c, ref.Digest, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted before %s was complete: %w", out, ctx.Err())
	}
	// The mode lets model servers read it, which run as another user.
	if err := errors.Join(os.Chmod(temp, 0o755), os.Rename(temp, out), checkpoint.Sync(parent)); err != nil {
		return storeError(out, err)
	}
	_, err = fmt.Fprintf(p.out, exported, out, digest, out)
	return err
}
