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

// SynthOptions holds the flags of `plumb dataset synth`.
type SynthOptions struct {
	IO *iostreams.IOStreams

	Spec  synth.Spec
	Grid  string // ROWSxCOLUMNS; empty: one image per eraser and channel
	Out   string
	Force bool
}

const synthHelp = `Make a synthetic data set that looks like what the camera of an inspection line sees.

The set shows erasers with a printed logo under six lights. The erasers of a package share print and light. A few
erasers have a defect (missing stroke, smear, faint print, double print, cut-off, blot, scratch), and some labels are
wrong.

The directory also holds two files that training never reads: truth.csv says what every image really shows, and
contact-sheet.png shows examples. The same flags make the same bytes. With --grid, each image shows a whole package;
the erasers are the same as without it.`

func newCmdSynth(f *factory.Factory, runF func(context.Context, *SynthOptions) error) *cobra.Command {
	if runF == nil {
		runF = runSynth
	}
	o := &SynthOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Make a synthetic data set: erasers with a printed logo under six lights",
		Long:  synthHelp,
		Example: `  # As large and as difficult as the real set
  plumb dataset synth --out ./erasers

  # Small and easy: many clear defects, and all labels right
  plumb dataset synth --out ./easy --samples 480 --prevalence 0.3 --min-severity 0.7 --label-noise 0

  # Other erasers, under two lights
  plumb dataset synth --out ./two-lights --channels GRAY,NORMAL --seed 8

  # Images of whole packages with 15 erasers each
  plumb dataset synth --out ./packages --grid 3x5`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.readGrid(cmd.Flags().Changed("package-size")); err != nil {
				return err
			}
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Out, "out", "", "directory of the new set; it must be empty or not exist (required)")
	flags.BoolVar(&o.Force, "force", false, "if the directory holds a set that this command made, replace that set")
	flags.IntVar(&o.Spec.Samples, "samples", 1381, "number of erasers")
	flags.Float64Var(&o.Spec.Prevalence, "prevalence", 0.12, "share of erasers with a defect, from 0 to 1")
	flags.Float64Var(&o.Spec.MinSeverity, "min-severity", 0.2,
		"lowest severity of a defect; severities are spread evenly between it and 1")
	flags.Float64Var(&o.Spec.LabelNoise, "label-noise", 0.06, "share of labels that are wrong, from 0 to 1")
	flags.Int64Var(&o.Spec.Seed, "seed", 7, "seed of the random numbers: another seed makes another set")
	flags.IntVar(&o.Spec.Size, "size", 96, "width and height of an eraser's image in pixels")
	flags.IntVar(&o.Spec.PackageSize, "package-size", 15,
		"erasers in a package; with --grid, the number of cells is the default and the maximum")
	flags.StringVar(&o.Grid, "grid", "",
		"make images of whole packages with this many rows and columns of erasers, such as 3x5")
	flags.StringSliceVar(&o.Spec.Channels, "channels", synth.Lights(),
		"lights, each of which makes one channel, in this order")
	_ = cmd.MarkFlagDirname("out")
	_ = cmd.RegisterFlagCompletionFunc("channels", arguments.CompleteList(synth.Lights()))
	return cmd
}

// gridForm matches the value of --grid, ROWSxCOLUMNS.
var gridForm = regexp.MustCompile(`^([0-9]{1,4})x([0-9]{1,4})$`)

// readGrid parses --grid into o.Spec. If --package-size was not given, packages have as many erasers as the grid has
// cells.
func (o *SynthOptions) readGrid(packageSizeGiven bool) error {
	if o.Grid == "" {
		return nil
	}
	parts := gridForm.FindStringSubmatch(o.Grid)
	if parts == nil {
		return failure.Usagef("--grid %q is not of the form ROWSxCOLUMNS, such as 3x5", o.Grid)
	}
	o.Spec.Grid = &dataset.Grid{}
	// A number of at most four digits fits an int, so there is no error.
	o.Spec.Grid.Rows, _ = strconv.Atoi(parts[1])
	o.Spec.Grid.Columns, _ = strconv.Atoi(parts[2])
	if !packageSizeGiven {
		o.Spec.PackageSize = o.Spec.Grid.Cells()
	}
	return nil
}

func runSynth(ctx context.Context, o *SynthOptions) error {
	if o.Out == "" {
		return failure.Usagef("--out is missing: name the directory of the new set")
	}
	if err := o.Spec.Check(); err != nil {
		return failure.Usage(err)
	}
	bar := newProgressBar(o.IO, "making "+text.Clean(o.Out))
	made, err := synth.Write(ctx, o.Spec, o.Out, o.Force, bar.show)
	bar.finish()
	switch {
	case errors.Is(err, synth.ErrOccupied) && !o.Force:
		return fmt.Errorf("%w\nName another directory. Or, if it holds a set that plumb dataset synth made, "+
			"replace that set with --force", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(o.IO.Out, "%s: %s in %s, channels %s\n", text.Clean(o.Out),
		counted(made.Samples, "sample"), counted(made.Packages, "package"), strings.Join(o.Spec.Channels, ", "))
	fmt.Fprintf(o.IO.Out, "Samples with a defect: %d (%.1f %%). Wrong labels: %d\n",
		made.Defects, 100*float64(made.Defects)/float64(made.Samples), made.Flipped)
	fmt.Fprintf(o.IO.Out, "Examples: %s\n", filepath.Join(o.Out, synth.SheetFile))
	fmt.Fprintf(o.IO.Out, "What each image really shows: %s\n", filepath.Join(o.Out, synth.TruthFile))
	return nil
}
