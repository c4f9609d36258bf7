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

const explainHelp = `Draw heat maps of single samples: where the network of a checkpoint finds evidence for a defect.

Each sample becomes one PNG file with three rows:
  1. the channels of the sample, side by side;
  2. the channels under the class activation map, whose values add up to the score. It has the coarse grid of the last
     stage;
  3. the channels under Grad-CAM of the third stage, whose grid is twice as fine.

Yellow means little evidence and red means much. Each map is scaled to its own strongest place.`

const explainExample = `  plumbline-trainer explain --checkpoint out/fit/d18/d18-a1-local/best-e0005 --data erasers \
      --id e0007,e0012 --out explained`

// explainOptions holds the flags of explain.
type explainOptions struct {
	dataFlags
	checkpoint, out string
	ids             []string
	threads         int
}

func newExplainCommand(p *program) *cobra.Command {
	o := explainOptions{dataFlags: dataFlags{split: "all"}}
	cmd := &cobra.Command{
		Use:     "explain --checkpoint DIR --data DIR --id ID[,ID] --out DIR",
		Short:   "Draw where the network looked",
		Long:    explainHelp,
		Example: explainExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return explain(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.checkpoint, "checkpoint", "", checkpointFlag)
	o.bind(f)
	f.StringSliceVar(&o.ids, "id", nil, "ids of samples, as in labels.csv; separate them by commas, or repeat the flag")
	f.StringVar(&o.out, "out", "", "directory to write the pictures to; created if it does not exist")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), threadsFlag)
	require(cmd, "checkpoint", "data", "id", "out")
	return cmd
}

func explain(ctx context.Context, p *program, o explainOptions) error {
	c, ref, err := openBest(o.checkpoint)
	if err != nil {
		return err
	}
	set, err := o.load(ctx, o.checkpoint, c.Manifest)
	if err != nil {
		return err
	}
	at, err := positions(set.samples, o.ids)
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
	e := evaluation{checkpoint: c, ref: ref, sampleSet: set}
	in, calibration := c.Manifest.Input, c.Manifest.Calibration
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPROBABILITY\tDECISION\tLABEL\tFILE")
	screen := newScreen(p.err)
	for k, i := range at { // one by one: a person names few samples, and wants to see the first one at once
		screen.count("drawing", k, len(at))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pixels, explanations, err := e.explain(ctx, model, []int{i})
		if err != nil {
			return err
		}
		activation, gradCAM := pageHeat(explanations[0].ClassActivation), pageHeat(explanations[0].GradCAM)
		sheet, err := page.Sheet(pixels, in.Size, len(in.Channels), activation, gradCAM)
		if err != nil {
			return err
		}
		var picture bytes.Buffer
		if err := png.Encode(&picture, sheet); err != nil {
			return err
		}
		sample := set.samples[i]
		file := filepath.Join(o.out, sample.ID+".png") // safe: dataset refuses ids that are no file names
		if err := os.WriteFile(file, picture.Bytes(), 0o644); err != nil {
			return storeError(file, err)
		}
		logit := (float64(explanations[0].Score) - calibration.Shift) / calibration.Temperature
		decision, label := labelName(logit >= calibration.Threshold), labelName(sample.Defect)
		fmt.Fprintf(table, "%s\t%.4f\t%s\t%s\t%s\n", sample.ID, score.Probability(logit), decision, label, file)
	}
	screen.clear()
	return table.Flush()
}

// positions returns the positions of the samples with these ids, each once. If no sample has an id, the error names it.
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
		return nil, fmt.Errorf("no sample has the id %s; the ids are the first column of labels.csv, such as %s",
			strings.Join(unknown, ", "), samples[0].ID)
	}
	return at, nil
}
