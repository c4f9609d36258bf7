package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
)

const evaluateHelp = `Measure a best checkpoint on a split of the data set that it was trained on, at the threshold
that the checkpoint holds.

With --out DIR the verb writes these files into DIR:
  ` + pageFile + `      a page with metrics, curves, and the worst mistakes as pictures with heat maps;
                   a browser shows it without any other file
  ` + metricsFile + `    one line for each known epoch of the trial, and one for this evaluation
  ` + predictionsFile + `  the prediction for every sample

You may score the test split as often as you like: the figures are the same each time. But if you then choose a
checkpoint or a setting because of them, the test split has selected something, and its figures are too good. To
evaluate on other data use --split all.`

const evaluateExample = `  plumbline-trainer evaluate --checkpoint out/fit/d18/d18-a1-local/best-e0005 \
      --data erasers --out evaluation
  plumbline-trainer evaluate --checkpoint best-e0005 --data erasers --split validation -o json | jq .metrics.aucPR`

// Help of flags that several verbs have.
const (
	checkpointFlag = "directory of a best checkpoint"
	threadsFlag    = "number of TensorFlow threads"
)

// evaluateOptions holds the flags of evaluate.
type evaluateOptions struct {
	dataFlags
	checkpoint, out, output string
	threads                 int
}

func newEvaluateCommand(p *program) *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:     "evaluate --checkpoint DIR --data DIR",
		Short:   "Measure a checkpoint on a split of the data set",
		Long:    evaluateHelp,
		Example: evaluateExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return evaluate(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.checkpoint, "checkpoint", "", checkpointFlag)
	o.bind(f)
	o.bindSplit(f, "test")
	f.StringVar(&o.out, "out", "",
		"directory to write the page, the metrics and the predictions to; created if it does not exist")
	f.StringVarP(&o.output, "output", "o", "table", "format of the output: table or json")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), threadsFlag)
	require(cmd, "checkpoint", "data")
	return cmd
}

func evaluate(ctx context.Context, p *program, o evaluateOptions) error {
	if !slices.Contains([]string{"table", "json"}, o.output) {
		return settingsError(fmt.Errorf("--output %q must be table or json", o.output))
	}
	c, ref, err := openBest(o.checkpoint)
	if err != nil {
		return err
	}
	set, err := o.load(ctx, o.checkpoint, c.Manifest)
	if err != nil {
		return err
	}
	screen := newScreen(p.err)
	screen.linef("scoring %d samples of the %s split with depth %d, epoch %d",
		len(set.samples), set.split, c.Manifest.Architecture.Depth, c.Manifest.Epoch)
	for _, note := range set.notes {
		screen.linef("note: %s", note)
	}
	model, err := openModel(c, o.threads)
	if err != nil {
		return err
	}
	defer model.Close()
	e, err := newEvaluation(ctx, model, c, ref, set, screen)
	screen.clear()
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := e.write(o.out); err != nil {
			return err
		}
	}
	if o.output == "json" {
		return e.printJSON(p.out, o.out)
	}
	return e.printTable(p.out, o.out)
}
