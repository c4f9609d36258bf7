package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/trainer/export"
	"plumbline.dev/plumbline/wire"
)

const predictHelp = `Ask a published or exported model about the samples of a data set, or about image files that a list names.

The answer says for each sample the probability of a defect, the decision, the threshold behind it and the digest of the model that
was asked. The threshold is on the calibrated logit, ln(p / (1 - p)), and a sample is called a defect at or above it.

--split takes one fold of the split that the model was trained on; the data must then be the data that it was trained on. What the
predictions are worth is told on stderr.

--list is a CSV file with the columns id and one per channel of the model, in its order, each holding the path of that channel's
image file; a relative path starts at the list.`

const predictExample = `  plumbline-trainer predict --model models/erasers --data erasers --split test -o table
  plumbline-trainer predict --model models/erasers/3 --list today.csv -o jsonl`

// predictOptions are predict's flags.
type predictOptions struct {
	source
	model, list, output string
	range16             []uint
	threads             int
}

func newPredictCommand(p *program) *cobra.Command {
	o := predictOptions{output: "csv"}
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.output = "table"
	}
	cmd := &cobra.Command{
		Use: "predict --model DIR (--data DIR | --list FILE)", Short: "Ask a model about a data set, or about files", Long: predictHelp, Example: predictExample, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return predict(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "", "a version's directory, or the model's, of which the highest version is taken")
	o.bind(f)
	o.bindSplit(f, "all")
	f.StringVar(&o.list, "list", "", "CSV file of image files, instead of a data set")
	f.UintSliceVar(&o.range16, "range16", nil, "with --list: which values 16-bit files use, such as 0,4095")
	f.StringVarP(&o.output, "output", "o", o.output, "format: "+strings.Join(outputs, ", "))
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads for TensorFlow")
	require(cmd, "model")
	cmd.MarkFlagsOneRequired("data", "list")
	for _, flag := range []string{"data", "corrections", "split"} {
		cmd.MarkFlagsMutuallyExclusive(flag, "list")
	}
	return cmd
}

func predict(ctx context.Context, p *program, o predictOptions) error {
	if !slices.Contains(outputs, o.output) {
		return settingsError(fmt.Errorf("--output %q must be one of %s", o.output, strings.Join(outputs, ", ")))
	}
	if isMissing(o.model) {
		return missingError(o.model, fmt.Errorf("there is no model: %s is not there", o.model))
	}
	dir, err := versionDir(o.model)
	if err != nil {
		return err
	}
	c, digest, err := readCard(dir)
	if errors.Is(err, errNotAsPublished) {
		return dataError(dir, err)
	}
	if err != nil {
		return storeError(dir, err)
	}
	on, err := o.subject(ctx, c.Manifest)
	if err != nil {
		return err
	}
	served, err := export.Load(dir, max(1, o.threads))
	if err != nil {
		return dataError(dir, err)
	}
	defer served.Close()
	screen := newScreen(p.err)
	predictions, err := ask(ctx, served, on, c.Manifest.Calibration.Threshold, digest, screen)
	screen.clear()
	if err != nil {
		return err
	}
	if err := printPredictions(p.out, o.output, predictions); err != nil || !on.labelled() {
		return err
	}
	for _, note := range on.notes {
		screen.linef("note: %s", note)
	}
	return printWorth(p.err, on.split, predictions)
}

// subject is what the model is asked about.
func (o predictOptions) subject(ctx context.Context, m wire.Manifest) (subject, error) {
	if o.list == "" {
		return o.load(ctx, o.model, m)
	}
	var range16 *dataset.Range16
	switch r := o.range16; {
	case len(r) == 0:
	case len(r) == 2 && r[0] < r[1] && r[1] <= math.MaxUint16:
		range16 = &dataset.Range16{Min: uint16(r[0]), Max: uint16(r[1])}
	default:
		return subject{}, settingsError(fmt.Errorf("--range16 %v must be two values from 0 to %d, the lower one first", r, math.MaxUint16))
	}
	return listSubject(o.list, m.Input, range16)
}

// ask asks a served model about every sample.
func ask(ctx context.Context, served *export.Served, on subject, threshold float64, digest string, screen *screen) ([]prediction, error) {
	var answers []prediction
	err := on.each(ctx, "asking", screen, func(at []int, images []uint8) error {
		predictions, err := served.Predict(images, len(at))
		if err != nil {
			return err
		}
		for k, i := range at {
			s, said := on.samples[i], predictions[k]
			answer := prediction{
				ID: s.ID, Package: s.Package, Probability: said.Probability, Decision: labelName(said.Positive),
				Logit: said.Logit, Threshold: threshold, Model: digest,
			}
			if on.labelled() {
				answer.Label = labelName(s.Defect)
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return answers, err
}
