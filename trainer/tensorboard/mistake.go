package tensorboard

import (
	"fmt"
	"strings"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/wire"
)

const (
	// maxPictures is how many mistakes of each kind are shown as pictures. At 224 pixels and six channels, the
	// pictures of a new best have about 1.4 MB in all.
	maxPictures = 4
	// maxListed is how many mistakes of each kind are listed by name.
	maxListed = 20
)

// mistakeValues returns the validation samples that a new best decides wrongly, the worst first: as pictures, and as
// a list of their ids, because TensorBoard's pictures have no captions.
func mistakeValues(r wire.Report, samples Samples) ([]value, error) {
	missed, alarms := mistakes(r.Scores, r.Metrics.Threshold)
	threshold := r.Metrics.Threshold
	text := fmt.Sprintf("The threshold is %.4g on the calibrated logit, which is a probability of %.4f.\n",
		threshold, score.Probability(threshold))
	text += listMistakes("Defects missed", missed) + listMistakes("Normal samples called defects", alarms)
	values := []value{{
		tag: "mistakes/list", plugin: "text", class: classTensor,
		about:  "Validation samples that the new best decides wrongly, the worst first",
		tensor: encodeText(text),
	}}
	for _, kind := range []struct {
		tag, about string
		of         []wire.SampleScore
	}{
		{"mistakes/missed", "Defects that the new best calls normal", missed},
		{"mistakes/false_alarms", "Normal samples that the new best calls defects", alarms},
	} {
		pictures, err := samples.draw(kind.of[:min(maxPictures, len(kind.of))])
		if err != nil {
			return nil, err
		}
		if pictures == nil {
			continue
		}
		values = append(values, value{
			tag: kind.tag, plugin: "images", class: classBlobs, tensor: encodeStrings(pictures...),
			about: fmt.Sprintf("%s, in the order of `mistakes/list`. Channels, row by row: %s",
				kind.about, strings.Join(samples.Channels, ", ")),
		})
	}
	return values, nil
}

// mistakes returns the scores whose decision is wrong, in the order of page.Mistakes.
func mistakes(scores []wire.SampleScore, threshold float64) (missed, alarms []wire.SampleScore) {
	samples := make([]page.Sample, len(scores))
	for i, s := range scores {
		samples[i] = page.Sample{ID: s.ID, Defect: s.Label == 1, Logit: s.Logit}
	}
	pick := func(indices []int) (picked []wire.SampleScore) {
		for _, i := range indices {
			picked = append(picked, scores[i])
		}
		return picked
	}
	missedAt, alarmsAt := page.Mistakes(samples, threshold)
	return pick(missedAt), pick(alarmsAt)
}

// listMistakes returns a table of the first maxListed mistakes in Markdown, under the heading what.
func listMistakes(what string, of []wire.SampleScore) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %d\n", what, len(of))
	if len(of) == 0 {
		return b.String()
	}
	b.WriteString("\n| sample | package | probability | logit |\n|---|---|---|---|\n")
	for _, s := range of[:min(maxListed, len(of))] {
		fmt.Fprintf(&b, "| %s | %s | %.4f | %.3f |\n", cell(s.ID), cell(s.Group), score.Probability(s.Logit), s.Logit)
	}
	if more := len(of) - maxListed; more > 0 {
		fmt.Fprintf(&b, "\n%d more are not listed.\n", more)
	}
	return b.String()
}

// cell escapes a text for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
