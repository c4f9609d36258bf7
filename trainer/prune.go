package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

const pruneHelp = `Remove from a checkpoint store what no run and no model version needs.

The keep list (JSON, see wire/keep.go) says which runs are live, which have ended, and which checkpoints are kept. Live runs are left
whole. Of ended ones go the resume checkpoints, the bests that were beaten, and what killed processes left; reports, event files and
all that is named stay, and so does the best that a resume checkpoint which stays may need. A list older than 15 minutes is refused:
somebody may have retried an old run since. Directories of runs that are in neither
list are left, and named: they may be another cluster's. Decoded images go when nobody has used them for as long as the list says.

Kill it at any moment and start it again: what is half removed no longer bears its name. "plumb prune" makes the list and the Job.`

func newPruneCommand(p *program) *cobra.Command {
	var dir, keep string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "prune --checkpoints DIR --keep FILE", Short: "Remove checkpoints that nobody needs", Long: pruneHelp, Args: cobra.NoArgs,
		Example: "  plumbline-trainer prune --checkpoints /checkpoints --keep keep.json --dry-run",
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoints", "", "directory of the store")
	f.StringVar(&keep, "keep", "", "file with the keep list; - reads it from standard input")
	f.BoolVar(&dryRun, "dry-run", false, "say what would go, and remove nothing")
	require(cmd, "checkpoints", "keep")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := readKeep(keep, cmd.InOrStdin(), time.Now())
		if err != nil {
			return err
		}
		return prune(cmd.Context(), dir, list, dryRun, p.out)
	}
	return cmd
}

func readKeep(file string, stdin io.Reader, now time.Time) (wire.Keep, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	text, err := read()
	if err != nil {
		return wire.Keep{}, missingError(file, fmt.Errorf("read the keep list that --keep names (plumb prune makes it): %w", err))
	}
	keep, err := wire.DecodeKeep(text)
	if err == nil {
		err = keep.CheckAge(now)
	}
	if err != nil {
		return wire.Keep{}, settingsError(err)
	}
	return keep, nil
}

func prune(ctx context.Context, dir string, keep wire.Keep, dryRun bool, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if isMissing(dir) {
		return missingError(dir, fmt.Errorf("there is no checkpoint store at %s: --checkpoints names where the store's volume is mounted", dir))
	}
	found, err := checkpoint.Survey(dir, keep, time.Now())
	switch {
	case errors.Is(err, checkpoint.ErrNotStore):
		return dataError(dir, err)
	case err != nil:
		return storeError(dir, err)
	}
	did := "removed"
	if dryRun {
		did = "would remove"
	}
	for _, s := range found.UnknownRuns {
		fmt.Fprintf(out, "left          %9s  %s\n", formatBytes(s.Bytes), describeUnknown(s))
	}
	var bytes int64
	for _, r := range found.Removals {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %s: start it again to go on: %w", formatBytes(bytes), ctx.Err())
		}
		if !dryRun {
			if err := checkpoint.Remove(filepath.Join(dir, r.Path)); err != nil {
				return storeError(dir, err)
			}
		}
		bytes += r.Bytes
		fmt.Fprintf(out, "%-12s  %9s  %s (%s)\n", did, formatBytes(r.Bytes), r.Path, r.Why)
	}
	_, err = fmt.Fprintf(out, "%s %d things, %s, of %d runs in %s\n", did, len(found.Removals), formatBytes(bytes), found.Runs, dir)
	return err
}

// describeUnknown returns a line about the directory of a run that the keep list does not name.
func describeUnknown(s checkpoint.UnknownRun) string {
	name := s.UID
	if s.Run.Name != "" {
		name += " (" + s.Run.Namespace + "/" + s.Run.Name + ")"
	}
	return fmt.Sprintf("%s: not a run that the keep list knows; last changed %s", name, s.Changed.UTC().Format(time.DateOnly))
}

// formatBytes in the units that people compare disks in.
func formatBytes(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
