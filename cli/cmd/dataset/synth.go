package dataset

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/text"
	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/dataset/synth"
)

// SynthOptions are what `plumb dataset synth` was asked.
type SynthOptions struct {
	IO *iostreams.IOStreams

	Spec  synth.Spec
	Grid  string // ROWSxCOLUMNS; "" for every eraser by itself
	Out   string
	Force bool
}

func newCmdSynth(f *factory.Factory, runF func(context.Context, *SynthOptions) error) *cobra.Command {
	if runF == nil {
		runF = runSynth
	}
	o := &SynthOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Make a set of erasers with a printed logo under six lights",
		Long: `Make a set that looks like what an inspection line sees: erasers with a printed logo under six lights, in packages that share
print and light, a few with a defect (missing stroke, smear, faint print, double print, cut-off, blot, scratch), some labels wrong.

Beside the set lie truth.csv, which says what every image really shows and is never read by training, and contact-sheet.png, which
shows examples. The same flags give the same bytes; --grid photographs whole packages and changes no eraser.`,
		Example: `  plumb dataset synth --out ./erasers                                             # as hard as the real ones
  plumb dataset synth --out ./easy --samples 480 --prevalence 0.3 --min-severity 0.7 --label-noise 0
  plumb dataset synth --out ./two-lights --channels GRAY,NORMAL --seed 8
  plumb dataset synth --out ./packages --grid 3x5                                 # photographs of 15 erasers each`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.readGrid(cmd.Flags().Changed("package-size")); err != nil {
				return err
			}
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Out, "out", "", "directory to make; it must be empty or not there")
	flags.BoolVar(&o.Force, "force", false, "replace a set that was made here before")
	flags.IntVar(&o.Spec.Samples, "samples", 1381, "erasers to make")
	flags.Float64Var(&o.Spec.Prevalence, "prevalence", 0.12, "share of defective ones")
	flags.Float64Var(&o.Spec.MinSeverity, "min-severity", 0.2, "severity of the gentlest defect; the worst is 1")
	flags.Float64Var(&o.Spec.LabelNoise, "label-noise", 0.06, "share of wrong labels")
	flags.Int64Var(&o.Spec.Seed, "seed", 7, "another seed, another set")
	flags.IntVar(&o.Spec.Size, "size", 96, "side of an image in pixels")
	flags.IntVar(&o.Spec.PackageSize, "package-size", 15,
		"erasers to a package; with --grid at most, and by default, its cells")
	flags.StringVar(&o.Grid, "grid", "", "photograph whole packages, in so many rows and columns, as in 3x5")
	flags.StringSliceVar(&o.Spec.Channels, "channels", synth.Lights(), "lights, in the order of the channels")
	_ = cmd.MarkFlagDirname("out")
	_ = cmd.RegisterFlagCompletionFunc("channels", arguments.CompleteList(synth.Lights()))
	return cmd
}

// gridForm is what --grid is written as.
var gridForm = regexp.MustCompile(`^([0-9]{1,4})x([0-9]{1,4})$`)

// readGrid takes --grid into the spec; sized says that --package-size was given.
func (o *SynthOptions) readGrid(sized bool) error {
	if o.Grid == "" {
		return nil
	}
	parts := gridForm.FindStringSubmatch(o.Grid)
	if parts == nil {
		return failure.Usagef("--grid %q is not rows and columns, as in 3x5", o.Grid)
	}
	o.Spec.Grid = &dataset.Grid{}
	o.Spec.Grid.Rows, _ = strconv.Atoi(parts[1]) // four digits
	o.Spec.Grid.Columns, _ = strconv.Atoi(parts[2])
	if !sized {
		o.Spec.PackageSize = o.Spec.Grid.Cells()
	}
	return nil
}

func runSynth(ctx context.Context, o *SynthOptions) error {
	if o.Out == "" {
		return failure.Usagef("--out is missing: the directory to make")
	}
	if err := o.Spec.Check(); err != nil {
		return failure.Usage(err)
	}
	bar := newProgressBar(o.IO, "making "+text.Clean(o.Out))
	made, err := synth.Write(ctx, o.Spec, o.Out, o.Force, bar.show)
	bar.finish()
	switch {
	case errors.Is(err, synth.ErrOccupied) && !o.Force:
		return fmt.Errorf("%w; name another directory, or replace a set that was made here with --force", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(o.IO.Out, "%s: %d samples in %d packages, channels %s\n",
		text.Clean(o.Out), made.Samples, made.Packages, strings.Join(o.Spec.Channels, ", "))
	fmt.Fprintf(o.IO.Out, "%d defective (%.1f %%), %d labels wrong\n",
		made.Defects, 100*float64(made.Defects)/float64(made.Samples), made.Flipped)
	fmt.Fprintf(o.IO.Out, "Look at %s; what each image really shows is in %s\n",
		filepath.Join(o.Out, synth.SheetFile), filepath.Join(o.Out, synth.TruthFile))
	return nil
}
