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

const exportHelp = `Write a best checkpoint as a SavedModel, outside of any registry: for a look, a test, or a line without a cluster.

It is what publish would publish: every digest is verified, the recorded predictions are replayed on what was written, and the
directory appears whole or not at all. predict takes it; TensorFlow Serving takes it as a version if its name is a number.`

func newExportCommand(p *program) *cobra.Command {
	var dir, out string
	cmd := &cobra.Command{
		Use: "export --checkpoint DIR --out DIR", Short: "Write a checkpoint as a SavedModel", Long: exportHelp, Args: cobra.NoArgs,
		Example: "  plumbline-trainer export --checkpoint out/fit/d18/d18-a1-local/best-e0005 --out erasers/1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return exportModel(cmd.Context(), p, dir, out) },
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoint", "", "directory of a best checkpoint")
	f.StringVar(&out, "out", "", "the SavedModel's directory, which must not be there yet")
	require(cmd, "checkpoint", "out")
	return cmd
}

func exportModel(ctx context.Context, p *program, dir, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return settingsError(fmt.Errorf("--out %s is there already and is not written over: choose another name, or remove it", out))
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
	defer os.RemoveAll(temp) // nothing is left of it after success
	digest, err := exportVersion(temp, c, ref.Digest, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted before %s was complete: %w", out, ctx.Err())
	}
	if err := errors.Join(os.Chmod(temp, 0o755), os.Rename(temp, out), checkpoint.Sync(parent)); err != nil { // servers run as somebody else
		return storeError(out, err)
	}
	_, err = fmt.Fprintf(p.out, "exported  %s\ndigest    %s\nnext      plumbline-trainer predict --model %s --data DIR\n", out, digest, out)
	return err
}
