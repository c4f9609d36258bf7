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
	Checkpoint wire.CheckpointRef // where it lies
	Epochs     []wire.Report      // the trial's epochs, ascending, as far as they are known
	Notes      []string           // what a reader must know before comparing these figures with others

	Split    string       // what was scored: test, validation, train, all
	Samples  []Sample     // of it
	Metrics  wire.Metrics // measured on them, at the manifest's threshold
	Mistakes []Mistake    // as many of Worst's as there are pictures of
}

// Sample is one sample as the model judged it.
type Sample struct {
	ID      string
	Package string
	Defect  bool    // by its label, corrections applied
	Given   bool    // a defect by the label that it had at first
	Logit   float64 // calibrated
}

// Mistake is a sample that was judged wrongly, with what the model saw.
type Mistake struct {
	Sample
	Pixels          []uint8 // [Size,Size,Channels], as Manifest.Input says
	ClassActivation Heat
	GradCAM         Heat
}

// Heat is where in an image the evidence for a defect lies: Side x Side values in [0,1], row by row, of which 1 stands for Peak.
type Heat struct {
	Side   int
	Values []float32
	Peak   float32 // 0: nothing spoke for a defect
}

// Judged are the samples as score takes them.
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

// Write writes the page.
func Write(w io.Writer, content Content) error {
	v, err := newView(content)
	if err != nil {
		return fmt.Errorf("draw the page of %s: %w", content.Manifest.Trial, err)
	}
	return pageTemplate.Execute(w, v)
}
