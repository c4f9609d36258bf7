package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/wire"
)

const evaluateHelp = `Judge a best checkpoint on a split of the data set that it was trained on, at the threshold that it carries.

With --out it leaves there
  ` + pageFile + `      metrics, curves, and the worst mistakes as pictures, with where the network looked; needs nothing but itself
  ` + metricsFile + `    one line for each epoch of the trial that is known, and one for this evaluation
  ` + predictionsFile + `  what the model says of every sample

The test split may be scored again as often as you like: the figures are the same each time. What you then do because of them is
selection, and whoever selects on the test split has none left. For other data take --split all.`

const evaluateExample = `  plumbline-trainer evaluate --checkpoint out/fit/d18/d18-a1-local/best-e0005 --data erasers --out evaluation
  plumbline-trainer evaluate --checkpoint best-e0005 --data erasers --split validation -o json | jq .metrics.aucPR`

// evaluateOptions are evaluate's flags.
type evaluateOptions struct {
	source
	checkpoint, out, output string
	threads                 int
}

func newEvaluateCommand(p *program) *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use: "evaluate --checkpoint DIR --data DIR", Short: "Judge a checkpoint on a split, and report it", Long: evaluateHelp, Example: evaluateExample, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return evaluate(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.checkpoint, "checkpoint", "", "directory of a best checkpoint")
	o.bind(f)
	o.bindSplit(f, "test")
	f.StringVar(&o.out, "out", "", "directory for the report; made where it is not there")
	f.StringVarP(&o.output, "output", "o", "table", "format: table or json")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads for TensorFlow")
	require(cmd, "checkpoint", "data")
	return cmd
}

// require makes flags mandatory.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a name that is not a flag's
		}
	}
}

func evaluate(ctx context.Context, p *program, o evaluateOptions) error {
	if !slices.Contains([]string{"table", "json"}, o.output) {
		return settingsError(fmt.Errorf("--output %q is neither table nor json", o.output))
	}
	c, ref, err := openBest(o.checkpoint)
	if err != nil {
		return err
	}
	on, err := o.load(ctx, o.checkpoint, c.Manifest)
	if err != nil {
		return err
	}
	screen := newScreen(p.err)
	screen.linef("scoring %d samples of the %s split with depth %d, epoch %d", len(on.samples), on.split, c.Manifest.Architecture.Depth, c.Manifest.Epoch)
	for _, note := range on.notes {
		screen.linef("note: %s", note)
	}
	model, err := openModel(c, o.threads)
	if err != nil {
		return err
	}
	defer model.Close()
	e, err := judge(ctx, model, c, ref, on, screen)
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

// printTable says what fit's summary says, and what the threshold gets wrong.
func (e evaluation) printTable(w io.Writer, out string) error {
	m := e.checkpoint.Manifest
	table := newMetricsTable(w)
	if m.Metrics != nil && e.split != "validation" {
		table.row("validation", *m.Metrics, selectedOn(m.Epoch, m.Calibration.Threshold))
	}
	table.row(e.split, e.metrics, map[string]string{
		"test": "selected nothing", "validation": selectedOn(m.Epoch, m.Calibration.Threshold),
		"train": "was trained on", "all": "some of it was trained on",
	}[e.split])
	if err := table.Flush(); err != nil {
		return err
	}
	c := score.At(page.Judged(e.samples), m.Calibration.Threshold)
	_, err := fmt.Fprintf(w, "\n%d of %d defects are found and %d are missed; of %d normal samples %d are false alarms\n",
		c.TruePositive, c.TruePositive+c.FalseNegative, c.FalseNegative, c.FalsePositive+c.TrueNegative, c.FalsePositive)
	if err == nil && out != "" {
		_, err = fmt.Fprintf(w, "\nreport      %s\n", filepath.Join(out, pageFile))
	}
	return err
}

// printJSON is for programs.
func (e evaluation) printJSON(w io.Writer, out string) error {
	m := e.checkpoint.Manifest
	answer := struct {
		Checkpoint wire.CheckpointRef `json:"checkpoint"`
		Run        wire.Run           `json:"run"`
		Trial      string             `json:"trial"`
		Depth      int                `json:"depth"`
		Epoch      int                `json:"epoch"`
		Split      string             `json:"split"`
		Metrics    wire.Metrics       `json:"metrics"`
		Validation *wire.Metrics      `json:"validation,omitempty"` // "selected on"
		Confusion  struct {
			TruePositive  int `json:"truePositive"`
			FalsePositive int `json:"falsePositive"`
			FalseNegative int `json:"falseNegative"`
			TrueNegative  int `json:"trueNegative"`
		} `json:"confusion"`
		Notes  []string `json:"notes,omitempty"`
		Report string   `json:"report,omitempty"` // file
	}{
		Checkpoint: e.ref, Run: m.Run, Trial: m.Trial, Depth: m.Architecture.Depth, Epoch: m.Epoch,
		Split: e.split, Metrics: e.metrics, Validation: m.Metrics, Notes: e.notes,
	}
	c := score.At(page.Judged(e.samples), m.Calibration.Threshold)
	answer.Confusion.TruePositive, answer.Confusion.FalsePositive = c.TruePositive, c.FalsePositive
	answer.Confusion.FalseNegative, answer.Confusion.TrueNegative = c.FalseNegative, c.TrueNegative
	if out != "" {
		answer.Report = filepath.Join(out, pageFile)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(answer)
}

func selectedOn(epoch int, threshold float64) string {
	return fmt.Sprintf("epoch %d and threshold %.4f were selected on it", epoch, threshold)
}

// metricsTable has a line for each split.
type metricsTable struct{ *tabwriter.Writer }

func newMetricsTable(w io.Writer) metricsTable {
	t := metricsTable{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t, strings.Join([]string{"", "AUC-PR", "95 % INTERVAL", "BLIND", "F1", "PRECISION", "RECALL", "SAMPLES", ""}, "\t"))
	return t
}

func (t metricsTable) row(name string, m wire.Metrics, note string) {
	fmt.Fprintf(t, "%s\t%.4f\t%.3f to %.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%s\n",
		name, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence, m.F1, m.Precision, m.Recall, m.Samples, note)
}
