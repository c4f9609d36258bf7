package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/page"
)

const explainHelp = `Draw where a checkpoint's network finds evidence for a defect in single samples.

Each sample becomes one PNG: its channels side by side; below them the same under class activation, which adds up to the score and
has the last stage's coarse grid; below these under Grad-CAM at the third stage, twice as fine. Yellow is little and red is most,
scaled to each map's own strongest place.`

// explainOptions are explain's flags.
type explainOptions struct {
	source
	checkpoint, out string
	ids             []string
	threads         int
}

func newExplainCommand(p *program) *cobra.Command {
	o := explainOptions{source: source{split: "all"}}
	cmd := &cobra.Command{
		Use: "explain --checkpoint DIR --data DIR --id ID[,ID] --out DIR", Short: "Draw where the network looked", Long: explainHelp, Args: cobra.NoArgs,
		Example: "  plumbline-trainer explain --checkpoint out/fit/d18/d18-a1-local/best-e0005 --data erasers --id e0007,e0012 --out explained",
		RunE:    func(cmd *cobra.Command, _ []string) error { return explain(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.checkpoint, "checkpoint", "", "directory of a best checkpoint")
	o.bind(f)
	f.StringSliceVar(&o.ids, "id", nil, "samples, as labels.csv names them; separated by commas, or given again")
	f.StringVar(&o.out, "out", "", "directory for the pictures; made where it is not there")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads for TensorFlow")
	require(cmd, "checkpoint", "data", "id", "out")
	return cmd
}

func explain(ctx context.Context, p *program, o explainOptions) error {
	c, ref, err := openBest(o.checkpoint)
	if err != nil {
		return err
	}
	on, err := o.load(ctx, o.checkpoint, c.Manifest)
	if err != nil {
		return err
	}
	at, err := positions(on.samples, o.ids)
	if err != nil {
		return missingError(o.data, fmt.Errorf("%s: %w", o.data, err))
	}
	model, err := openModel(c, o.threads)
	if err != nil {
		return err
	}
	defer model.Close()
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return storeError(o.out, err)
	}
	e := evaluation{checkpoint: c, ref: ref, subject: on}
	in, calibration := c.Manifest.Input, c.Manifest.Calibration
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPROBABILITY\tDECISION\tLABEL\tFILE")
	screen := newScreen(p.err)
	for k, i := range at { // one by one: a person names few, and sees the first at once
		screen.count("drawing", k, len(at))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pixels, explanations, err := e.explain(ctx, model, []int{i})
		if err != nil {
			return err
		}
		sheet, err := page.Sheet(pixels, in.Size, len(in.Channels), pageHeat(explanations[0].ClassActivation), pageHeat(explanations[0].GradCAM))
		if err != nil {
			return err
		}
		var picture bytes.Buffer
		if err := png.Encode(&picture, sheet); err != nil {
			return err
		}
		sample := on.samples[i]
		file := filepath.Join(o.out, sample.ID+".png") // dataset refuses ids that are no file names
		if err := os.WriteFile(file, picture.Bytes(), 0o644); err != nil {
			return storeError(file, err)
		}
		logit := (float64(explanations[0].Score) - calibration.Shift) / calibration.Temperature
		fmt.Fprintf(table, "%s\t%.4f\t%s\t%s\t%s\n", sample.ID, score.Probability(logit), labelName(logit >= calibration.Threshold), labelName(sample.Defect), file)
	}
	screen.clear()
	return table.Flush()
}

// find looks up ids and names those that no sample has.
func positions(samples []page.Sample, ids []string) (at []int, err error) {
	var unknown []string
	for _, id := range ids {
		i := slices.IndexFunc(samples, func(s page.Sample) bool { return s.ID == id })
		switch {
		case i < 0:
			unknown = append(unknown, id)
		case !slices.Contains(at, i):
			at = append(at, i)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no sample is called %s; the ids are the first column of labels.csv, such as %s", strings.Join(unknown, ", "), samples[0].ID)
	}
	return at, nil
}
