package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/export"
	"plumbline.dev/plumbline/trainer/score"
	"plumbline.dev/plumbline/wire"
)

const predictHelp = `Ask a published model about the samples of a data set.

The threshold is on the calibrated logit, ln(p / (1 - p)), and a sample is called a defect at or above it. --split takes one fold
of the split that the model was trained on; the data must then be the data that it was trained on. What the predictions are worth
is told on stderr.`

// predictOptions are predict's flags.
type predictOptions struct {
	model, data, corrections, split, output string
	threads                                 int
}

var (
	splits  = []string{"all", "train", "validation", "test"}
	outputs = []string{"table", "csv", "jsonl"}
)

func newPredictCommand(p *program) *cobra.Command {
	o := predictOptions{output: "csv"}
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.output = "table"
	}
	cmd := &cobra.Command{
		Use: "predict --model DIR --data DIR", Short: "Ask a published model about a data set", Long: predictHelp, Args: cobra.NoArgs,
		Example: "  plumbline-trainer predict --model models/eraser --data erasers --split test -o table",
		RunE:    func(cmd *cobra.Command, _ []string) error { return predict(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "", "a version's directory, or the model's, of which the highest version is taken")
	f.StringVar(&o.data, "data", "", "directory of the data set, which holds dataset.yaml")
	f.StringVar(&o.corrections, "corrections", "", "overlay on the labels, instead of the one that dataset.yaml names")
	f.StringVar(&o.split, "split", "all", "which samples: "+strings.Join(splits, ", "))
	f.StringVarP(&o.output, "output", "o", o.output, "format: "+strings.Join(outputs, ", "))
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads for TensorFlow")
	for _, name := range []string{"model", "data"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a name that is not a flag's
		}
	}
	return cmd
}

// prediction is one line of the answer.
type prediction struct {
	ID          string  `json:"id"`
	Package     string  `json:"package,omitempty"`
	Probability float32 `json:"probability"`
	Decision    string  `json:"decision"`
	Logit       float32 `json:"logit"`
	Threshold   float64 `json:"threshold"` // on the logit, with >=
	Label       string  `json:"label"`
}

func predict(ctx context.Context, p *program, o predictOptions) error {
	if !slices.Contains(splits, o.split) || !slices.Contains(outputs, o.output) {
		return settingsError(fmt.Errorf("--split %q must be one of %v, --output %q one of %v", o.split, splits, o.output, outputs))
	}
	if isMissing(o.model) {
		return missingError(o.model, fmt.Errorf("there is no model: %s is not there", o.model))
	}
	dir, err := versionDir(o.model)
	if err != nil {
		return err
	}
	c, _, err := readModel(dir)
	if errors.Is(err, errNotAsPublished) {
		return dataError(dir, err)
	}
	if err != nil {
		return storeError(dir, err)
	}
	set, chosen, err := o.samples(c.Manifest)
	if err != nil {
		return err
	}
	served, err := export.Load(dir, max(1, o.threads))
	if err != nil {
		return dataError(dir, err)
	}
	defer served.Close()
	predictions, err := ask(ctx, served, set, chosen, c.Manifest)
	if err != nil {
		return err
	}
	if err := printPredictions(p.out, o.output, predictions); err != nil {
		return err
	}
	return printWorth(p.err, o.split, predictions)
}

// samples loads the data set and picks the samples that are asked about. It refuses data that the model would misread.
func (o predictOptions) samples(m wire.Manifest) (*dataset.Set, []int, error) {
	data, errData := filepath.Abs(o.data)
	d := wire.Dataset{URI: wire.LocalURI(data), Split: m.Settings.Dataset.Split}
	if errData != nil {
		return nil, nil, errData
	}
	if o.corrections != "" {
		overlay, err := filepath.Abs(o.corrections)
		if err != nil {
			return nil, nil, err
		}
		d.Corrections = wire.LocalURI(overlay)
	}
	set, _, err := loadSet(d)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Equal(set.Config.Channels, m.Input.Channels) {
		return nil, nil, dataError(filepath.Join(data, dataset.ConfigFile), fmt.Errorf("the channels are %v; the model takes %v, in this order", set.Config.Channels, m.Input.Channels))
	}
	if m.Input.Resizer != dataset.Resizer {
		return nil, nil, dataError(o.model, fmt.Errorf("the model takes images resized by %q; this program has %s alone", m.Input.Resizer, dataset.Resizer))
	}
	if o.split == "all" {
		all := make([]int, len(set.Samples))
		for i := range all {
			all[i] = i
		}
		return set, all, nil
	}
	split, err := set.Split(splitSpec(m.Settings.Dataset.Split))
	if err != nil {
		return nil, nil, dataError(data, err)
	}
	if split.Digest != m.Digests.Split {
		return nil, nil, dataError(data, fmt.Errorf("this is not the data set, or not the corrections, that the model was trained on: its %s fold cannot be found in it; --split all takes every sample", o.split))
	}
	return set, map[string][]int{"train": split.Train, "validation": split.Validation, "test": split.Test}[o.split], nil
}

// askAtOnce bounds the images in memory.
const askAtOnce = 64

func ask(ctx context.Context, served *export.Served, set *dataset.Set, chosen []int, m wire.Manifest) ([]prediction, error) {
	var answers []prediction
	for part := range slices.Chunk(chosen, askAtOnce) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var images []uint8
		for _, i := range part {
			image, err := set.Image(i, m.Input.Size)
			if err != nil {
				return nil, readError(set.Dir, err)
			}
			images = append(images, image...)
		}
		predictions, err := served.Predict(images, len(part))
		if err != nil {
			return nil, err
		}
		for k, i := range part {
			s, said := set.Samples[i], dataset.Normal
			if predictions[k].Positive {
				said = dataset.Defect
			}
			answers = append(answers, prediction{
				ID: s.ID, Package: s.Package, Probability: predictions[k].Probability, Decision: said.String(),
				Logit: predictions[k].Logit, Threshold: m.Calibration.Threshold, Label: s.Label.String(),
			})
		}
	}
	return answers, nil
}

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
		t.Write([]string{"id", "package", "probability", "decision", "logit", "threshold", "label"})
		for _, p := range predictions {
			t.Write([]string{p.ID, p.Package, number(float64(p.Probability), 32), p.Decision, number(float64(p.Logit), 32), number(p.Threshold, 64), p.Label})
		}
		t.Flush()
		return t.Error()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPACKAGE\tPROBABILITY\tDECISION\tLABEL\t")
	for _, p := range predictions {
		wrong := ""
		if p.Decision != p.Label {
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
