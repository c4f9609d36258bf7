package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// Content is everything that the page shows.
type Content struct {
	Manifest   wire.Manifest      // of the best checkpoint
	Checkpoint wire.CheckpointRef // of the same checkpoint
	Epochs     []wire.Report      // the epoch reports of the trial that are known, in the order of their epochs
	Notes      []string           // warnings to read before the figures are compared with others

	Split    string       // the split that was scored: test, validation, train or all
	Samples  []Sample     // all samples of the split
	Metrics  wire.Metrics // measured on Samples, at the manifest's threshold
	Mistakes []Mistake    // those that are shown as pictures, in the order of Worst
}

// Sample is one sample with its labels and the model's score.
type Sample struct {
	ID      string
	Package string
	Defect  bool    // whether the label is defect, with corrections
	Given   bool    // whether the label is defect as given in labels.csv, without corrections
	Logit   float64 // calibrated
}

// Mistake is a sample that the model judged wrongly, with its image and where the model found evidence.
type Mistake struct {
	Sample
	Pixels          []uint8 // [Size,Size,len(Channels)], as in Manifest.Input
	ClassActivation Heat
	GradCAM         Heat
}

// Heat is the evidence for a defect in Side x Side places of an image. Values are in [0,1], row by row; 1 stands for
// Peak.
type Heat struct {
	Side   int
	Values []float32
	Peak   float32 // 0: there is no evidence for a defect
}

// Judged returns the samples as package score needs them.
func Judged(samples []Sample) []score.Sample {
	judged := make([]score.Sample, len(samples))
	for i, s := range samples {
		judged[i] = score.Sample{Score: s.Logit, Defect: s.Defect, Group: s.Package}
	}
	return judged
}

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// Write writes the page to w. The same Content always gives the same bytes.
func Write(w io.Writer, content Content) error {
	v, err := newView(content)
	if err != nil {
		return fmt.Errorf("write the page of trial %s: %w", content.Manifest.Trial, err)
	}
	return pageTemplate.Execute(w, v)
}
