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

const evaluateHelp = `Measure a best checkpoint on a split of the data set that it was trained on, at the threshold
that the checkpoint holds.

With --out DIR the verb writes these files into DIR:
  ` + pageFile + `      a page with metrics, curves, and the worst mistakes as pictures with heat maps;
                   a browser shows it without any other file
  ` + metricsFile + `    one line for each known epoch of the trial, and one for this evaluation
  ` + predictionsFile + `  the prediction for every sample

You may score the test split as often as you like: the figures are the same each time. But if you then choose a
checkpoint or a setting because of them, the test split has selected something, and its figures flatter. To evaluate
on other data use --split all.`

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
	f.StringVar(&o.out, "out", "", "directory to write the report to; created if it does not exist")
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

// printTable prints the same table as fit's summary, and how many samples the threshold gets wrong. out is the
// directory of the report, or empty.
func (e evaluation) printTable(w io.Writer, out string) error {
	m := e.checkpoint.Manifest
	table := newMetricsTable(w)
	if m.Metrics != nil && e.split != "validation" {
		table.row("validation", *m.Metrics, selectedOn(m.Epoch, m.Calibration.Threshold))
	}
	table.row(e.split, e.metrics, map[string]string{
		"test":       "selected nothing",
		"validation": selectedOn(m.Epoch, m.Calibration.Threshold),
		"train":      "was trained on",
		"all":        "some of it was trained on",
	}[e.split])
	if err := table.Flush(); err != nil {
		return err
	}
	c := score.At(page.Judged(e.samples), m.Calibration.Threshold)
	_, err := fmt.Fprintf(w, "\n%d of %d defects are found, %d are missed; %d of %d normal samples are false alarms\n",
		c.TruePositive, c.TruePositive+c.FalseNegative, c.FalseNegative,
		c.FalsePositive, c.FalsePositive+c.TrueNegative)
	if err == nil && out != "" {
		_, err = fmt.Fprintf(w, "\nreport      %s\n", filepath.Join(out, pageFile))
	}
	return err
}

// printJSON prints the evaluation for programs. out is the directory of the report, or empty.
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
		Validation *wire.Metrics      `json:"validation,omitempty"` // of the split that selected epoch and threshold
		Confusion  struct {
			TruePositive  int `json:"truePositive"`
			FalsePositive int `json:"falsePositive"`
			FalseNegative int `json:"falseNegative"`
			TrueNegative  int `json:"trueNegative"`
		} `json:"confusion"`
		Notes  []string `json:"notes,omitempty"`
		Report string   `json:"report,omitempty"` // the page's file
	}{
		Checkpoint: e.ref,
		Run:        m.Run,
		Trial:      m.Trial,
		Depth:      m.Architecture.Depth,
		Epoch:      m.Epoch,
		Split:      e.split,
		Metrics:    e.metrics,
		Validation: m.Metrics,
		Notes:      e.notes,
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

// selectedOn is the note on the metrics of the validation split.
func selectedOn(epoch int, threshold float64) string {
	return fmt.Sprintf("epoch %d and threshold %.4f were selected on it", epoch, threshold)
}

// metricsTable is a table of metrics with one line for each split. Its owner must call Flush.
type metricsTable struct{ *tabwriter.Writer }

// newMetricsTable returns a table with its header.
func newMetricsTable(w io.Writer) metricsTable {
	t := metricsTable{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	header := []string{"", "AUC-PR", "95 % INTERVAL", "CHANCE LEVEL", "F1", "PRECISION", "RECALL", "SAMPLES", ""}
	fmt.Fprintln(t, strings.Join(header, "\t"))
	return t
}

// row adds the metrics of one split. note says what the split was used for.
func (t metricsTable) row(name string, m wire.Metrics, note string) {
	fmt.Fprintf(t, "%s\t%.4f\t%.3f to %.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%s\n",
		name, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence, m.F1, m.Precision, m.Recall, m.Samples, note)
}
