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

// prediction is a model's answer about one sample.
type prediction struct {
	ID          string  `json:"id"`
	Package     string  `json:"package,omitempty"`
	Probability float32 `json:"probability"`
	Decision    string  `json:"decision"`
	Logit       float32 `json:"logit"`
	Threshold   float64 `json:"threshold"`       // a logit at or above it is a defect
	Label       string  `json:"label,omitempty"` // the label that people gave the sample; "" if it has none
	Model       string  `json:"model"`           // digest of the model's card, or of the checkpoint's manifest
}

// outputs are the formats of printPredictions.
var outputs = []string{"table", "csv", "jsonl"}

// printPredictions prints predictions in one of the formats in outputs.
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
		rows := [][]string{{"id", "package", "probability", "decision", "logit", "threshold", "label", "model"}}
		for _, p := range predictions {
			probability, logit := number(float64(p.Probability), 32), number(float64(p.Logit), 32)
			rows = append(rows, []string{
				p.ID, p.Package, probability, p.Decision, logit, number(p.Threshold, 64), p.Label, p.Model,
			})
		}
		return csv.NewWriter(w).WriteAll(rows)
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

// number returns the shortest text that reads back as the same number.
func number(x float64, bits int) string { return strconv.FormatFloat(x, 'g', -1, bits) }

// trainedOn says which part of a split the model has used in training.
var trainedOn = map[string]string{
	"validation": " (the threshold was selected on these)",
	"train":      " (the model was trained on these)",
	"all":        " (the model was trained on some of these)",
}

// printMetrics compares the predictions with the labels and prints the metrics.
func printMetrics(w io.Writer, split string, predictions []prediction) error {
	var samples []score.Sample
	for _, p := range predictions {
		defect := p.Label == dataset.Defect.String()
		samples = append(samples, score.Sample{Score: float64(p.Logit), Defect: defect, Group: p.Package})
	}
	if len(samples) == 0 {
		_, err := fmt.Fprintf(w, "the %s split has no samples\n", split)
		return err
	}
	m, err := score.Measure(samples, predictions[0].Threshold, 1)
	if errors.Is(err, score.ErrNoDefect) {
		_, err := fmt.Fprintf(w, "%d samples without a defect: there is nothing to measure\n", len(samples))
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d samples%s: AUC-PR %.4f (%.3f to %.3f; chance level %.3f), "+
		"F1 %.3f, precision %.3f, recall %.3f at threshold %.4f\n",
		m.Samples, trainedOn[split], m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence,
		m.F1, m.Precision, m.Recall, m.Threshold)
	return err
}

// labelName returns the name of a label or decision.
func labelName(defect bool) string {
	if defect {
		return dataset.Defect.String()
	}
	return dataset.Normal.String()
}
