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

const predictHelp = `Ask a published or exported model about the samples of a data set, or about image files.

The answer for each sample holds the probability of a defect, the decision, the threshold, and the digest of the model.
The threshold applies to the calibrated logit, ln(p / (1 - p)): a sample at or above it is called a defect. If the
samples have labels, the metrics of the predictions go to stderr.

With --data, --split chooses the samples of one side of the split that the model was trained with. The data must then be
the data that it was trained on.

With --list, a CSV file names the images. Its columns are id and then one per channel of the model, in the model's
order. Each of these holds the path of that channel's image file; a relative path starts at the list's directory.`

const predictExample = `  plumbline-trainer predict --model models/erasers --data erasers --split test -o table
  plumbline-trainer predict --model models/erasers/3 --list today.csv -o jsonl`

// predictOptions holds the flags of predict.
type predictOptions struct {
	dataFlags
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
		Use:     "predict --model DIR (--data DIR | --list FILE)",
		Short:   "Ask a model about a data set, or about image files",
		Long:    predictHelp,
		Example: predictExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return predict(cmd.Context(), p, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "", "directory of a version, or of a model: then its highest version is asked")
	o.bind(f)
	o.bindSplit(f, "all")
	f.StringVar(&o.list, "list", "", "CSV file that names image files, instead of --data")
	f.UintSliceVar(&o.range16, "range16", nil, "for --list: lowest and highest value of 16-bit images, such as 0,4095")
	f.StringVarP(&o.output, "output", "o", o.output, "format of the output: "+strings.Join(outputs, ", "))
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), threadsFlag)
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
		return missingError(o.model, fmt.Errorf("there is no model: %s does not exist", o.model))
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
	set, err := o.sampleSet(ctx, c.Manifest)
	if err != nil {
		return err
	}
	served, err := export.Load(dir, max(1, o.threads))
	if err != nil {
		return dataError(dir, err)
	}
	defer served.Close()
	screen := newScreen(p.err)
	predictions, err := ask(ctx, served, set, c.Manifest.Calibration.Threshold, digest, screen)
	screen.clear()
	if err != nil {
		return err
	}
	if err := printPredictions(p.out, o.output, predictions); err != nil || !set.labelled() {
		return err
	}
	for _, note := range set.notes {
		screen.linef("note: %s", note)
	}
	return printMetrics(p.err, set.split, predictions)
}

// sampleSet returns the samples that the flags name. m is the manifest of the model.
func (o predictOptions) sampleSet(ctx context.Context, m wire.Manifest) (sampleSet, error) {
	if o.list == "" {
		return o.load(ctx, o.model, m)
	}
	var range16 *dataset.Range16
	switch r := o.range16; {
	case len(r) == 0:
	case len(r) == 2 && r[0] < r[1] && r[1] <= math.MaxUint16:
		range16 = &dataset.Range16{Min: uint16(r[0]), Max: uint16(r[1])}
	default:
		return sampleSet{}, settingsError(
			fmt.Errorf("--range16 %v must be two values from 0 to %d, the lower one first", r, math.MaxUint16))
	}
	return listedSet(o.list, m.Input, range16)
}

// ask asks a served model about every sample. digest is the model's, and threshold is the one that it uses.
func ask(
	ctx context.Context, served *export.Served, set sampleSet, threshold float64, digest string, screen *screen,
) ([]prediction, error) {
	var answers []prediction
	err := set.forEachPart(ctx, "asking", screen, func(at []int, images []uint8) error {
		predictions, err := served.Predict(images, len(at))
		if err != nil {
			return err
		}
		for k, i := range at {
			s, p := set.samples[i], predictions[k]
			answer := prediction{
				ID:          s.ID,
				Package:     s.Package,
				Probability: p.Probability,
				Decision:    labelName(p.Positive),
				Logit:       p.Logit,
				Threshold:   threshold,
				Model:       digest,
			}
			if set.labelled() {
				answer.Label = labelName(s.Defect)
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return answers, err
}
