package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/score"
)

// prediction is what a model says of one sample.
type prediction struct {
	ID          string  `json:"id"`
	Package     string  `json:"package,omitempty"`
	Probability float32 `json:"probability"`
	Decision    string  `json:"decision"`
	Logit       float32 `json:"logit"`
	Threshold   float64 `json:"threshold"`       // on the logit, with >=
	Label       string  `json:"label,omitempty"` // what people said; "" where nobody did
	Model       string  `json:"model"`           // digest of what was asked: a published model's card, or a checkpoint's manifest
}

var outputs = []string{"table", "csv", "jsonl"}

func printPredictions(w io.Writer, format string, predictions []prediction) error {
	switch format {
	case "jsonl":
		encoder := json.NewEncoder(w)
		for _, p := range predictions {
			if err := encoder.Encode(p); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		t := csv.NewWriter(w) // its first error stays
		t.Write([]string{"id", "package", "probability", "decision", "logit", "threshold", "label", "model"})
		for _, p := range predictions {
			t.Write([]string{p.ID, p.Package, number(float64(p.Probability), 32), p.Decision, number(float64(p.Logit), 32), number(p.Threshold, 64), p.Label, p.Model})
		}
		t.Flush()
		return t.Error()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPACKAGE\tPROBABILITY\tDECISION\tLABEL\t")
	for _, p := range predictions {
		wrong := ""
		if p.Label != "" && p.Decision != p.Label {
			wrong = "wrong"
		}
		fmt.Fprintf(t, "%s\t%s\t%.4f\t%s\t%s\t%s\n", p.ID, p.Package, p.Probability, p.Decision, p.Label, wrong)
	}
	return t.Flush()
}

// number is the shortest text that reads back as the same number.
func number(x float64, bits int) string { return strconv.FormatFloat(x, 'g', -1, bits) }

// printWorth compares the predictions with the labels.
func printWorth(w io.Writer, split string, predictions []prediction) error {
	var samples []score.Sample
	for _, p := range predictions {
		samples = append(samples, score.Sample{Score: float64(p.Logit), Defect: p.Label == dataset.Defect.String(), Group: p.Package})
	}
	note := map[string]string{"validation": " (the threshold was selected on these)", "train": " (the model was trained on these)", "all": " (some of these it was trained on)"}[split]
	if len(samples) == 0 {
		_, err := fmt.Fprintf(w, "no sample is in the %s fold\n", split)
		return err
	}
	m, err := score.Measure(samples, predictions[0].Threshold, 1)
	if errors.Is(err, score.ErrNoDefect) {
		_, err := fmt.Fprintf(w, "%d samples, no defect among them: nothing to measure\n", len(samples))
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d samples%s: AUC-PR %.4f (%.3f to %.3f; a blind model has %.3f), F1 %.3f, precision %.3f, recall %.3f at threshold %.4f\n",
		m.Samples, note, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence, m.F1, m.Precision, m.Recall, m.Threshold)
	return err
}
