package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/wire"
)

// printTable prints the same table as fit's summary, and how many samples the threshold gets wrong. out is the
// directory of the page, or empty.
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
		_, err = fmt.Fprintf(w, "\npage        %s\n", filepath.Join(out, pageFile))
	}
	return err
}

// printJSON prints the evaluation for programs. out is the directory of the page, or empty.
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
