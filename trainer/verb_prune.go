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

const pruneHelp = `Remove from a checkpoint store everything that no run and no model version needs.

The keep list (JSON, see wire/keep.go) names the live runs, the ended runs, and the checkpoints that must stay.
  - Live runs: nothing is removed.
  - Ended runs: resume checkpoints, bests that a later best has beaten, and leftovers of killed processes are removed.
    Reports, event files and every checkpoint in the list stay. So does the best that a remaining resume checkpoint
    may need.
  - Runs that the list does not name: nothing is removed, and the output names them. They may belong to another
    cluster.
  - Decoded images are removed if nobody has used them for the time that the list states.

A list that is older than 15 minutes is refused, because somebody may have retried an old run since it was made.

You may stop this program at any time, and start it again: it renames a directory before it deletes it.
"plumb prune" makes the list, and the Job that runs this program.`

func newPruneCommand(p *program) *cobra.Command {
	var dir, keep string
	var dryRun bool
	cmd := &cobra.Command{
		Use:     "prune --checkpoints DIR --keep FILE",
		Short:   "Remove checkpoints that are not needed any more",
		Long:    pruneHelp,
		Example: "  plumbline-trainer prune --checkpoints /checkpoints --keep keep.json --dry-run",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&dir, "checkpoints", "", "directory of the checkpoint store")
	f.StringVar(&keep, "keep", "", "file of the keep list; - reads it from standard input")
	f.BoolVar(&dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	require(cmd, "checkpoints", "keep")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := readKeepList(keep, cmd.InOrStdin(), time.Now())
		if err != nil {
			return err
		}
		return prune(cmd.Context(), dir, list, dryRun, p.out)
	}
	return cmd
}

// readKeepList reads the keep list from a file, or from stdin if the file is "-". It refuses a list that is too old.
func readKeepList(file string, stdin io.Reader, now time.Time) (wire.KeepList, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	text, err := read()
	if err != nil {
		err = fmt.Errorf("read the keep list that --keep names (plumb prune makes it): %w", err)
		return wire.KeepList{}, missingError(file, err)
	}
	keep, err := wire.DecodeKeepList(text)
	if err == nil {
		err = keep.CheckAge(now)
	}
	if err != nil {
		return wire.KeepList{}, settingsError(err)
	}
	return keep, nil
}

// prune surveys the store in dir and removes what the keep list does not protect. With dryRun it only prints that.
func prune(ctx context.Context, dir string, keep wire.KeepList, dryRun bool, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if isMissing(dir) {
		return missingError(dir, fmt.Errorf("there is no checkpoint store at %s: "+
			"--checkpoints must name the directory where its volume is mounted", dir))
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
			return fmt.Errorf("interrupted after %s; the same command continues: %w", formatBytes(bytes), ctx.Err())
		}
		if !dryRun {
			if err := checkpoint.Remove(filepath.Join(dir, r.Path)); err != nil {
				return storeError(dir, err)
			}
		}
		bytes += r.Bytes
		fmt.Fprintf(out, "%-12s  %9s  %s (%s)\n", did, formatBytes(r.Bytes), r.Path, r.Why)
	}
	_, err = fmt.Fprintf(out, "%s %d files and directories, %s, of %d runs in %s\n",
		did, len(found.Removals), formatBytes(bytes), found.Runs, dir)
	return err
}

// describeUnknown returns a line about the directory of a run that the keep list does not name.
func describeUnknown(s checkpoint.UnknownRun) string {
	name := s.UID
	if s.Run.Name != "" {
		name += " (" + s.Run.Namespace + "/" + s.Run.Name + ")"
	}
	changed := s.Changed.UTC().Format(time.DateOnly)
	return fmt.Sprintf("%s: a run that the keep list does not name; last changed %s", name, changed)
}

// formatBytes formats a size in decimal units, as disks are sold.
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
