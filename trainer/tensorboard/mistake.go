package tensorboard

import (
	"fmt"
	"strings"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/page"
	"plumbline.dev/plumbline/wire"
)

const (
	pictured = 4  // mistakes of either kind that are shown as pictures: at 224 pixels and six channels about 1.4 MB a new best in all
	listed   = 20 // mistakes of either kind that are listed by name
)

// mistakeValues show the validation samples that a new best is wrong about, the worst first: pictures, and a list of which they are,
// since TensorBoard has no captions.
func mistakeValues(r wire.Report, samples Samples) ([]value, error) {
	missed, alarms := mistakes(r.Scores, r.Metrics.Threshold)
	text := fmt.Sprintf("Threshold %.4g on the calibrated logit, a probability of %.4f.\n", r.Metrics.Threshold, score.Probability(r.Metrics.Threshold))
	text += listMistakes("Defects missed", missed) + listMistakes("Normal samples called defects", alarms)
	values := []value{{
		tag: "mistakes/list", plugin: "text", class: classTensor,
		about: "validation samples that the new best is wrong about, the worst first", tensor: encodeText(text),
	}}
	for _, kind := range []struct {
		tag, about string
		of         []wire.SampleScore
	}{
		{"mistakes/missed", "defects that the new best lets pass", missed},
		{"mistakes/false_alarms", "normal samples that the new best calls defects", alarms},
	} {
		pictures, err := samples.draw(kind.of[:min(pictured, len(kind.of))])
		if err != nil {
			return nil, err
		}
		if pictures == nil {
			continue
		}
		values = append(values, value{
			tag: kind.tag, plugin: "images", class: classBlobs, tensor: encodeStrings(pictures...),
			about: fmt.Sprintf("%s, in the order of `mistakes/list`. Channels, row by row: %s", kind.about, strings.Join(samples.Channels, ", ")),
		})
	}
	return values, nil
}

// mistakes are the page.Mistakes among these scores.
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

func listMistakes(what string, of []wire.SampleScore) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %d\n", what, len(of))
	if len(of) == 0 {
		return b.String()
	}
	b.WriteString("\n| sample | package | probability | logit |\n|---|---|---|---|\n")
	for _, s := range of[:min(listed, len(of))] {
		fmt.Fprintf(&b, "| %s | %s | %.4f | %.3f |\n", cell(s.ID), cell(s.Group), score.Probability(s.Logit), s.Logit)
	}
	if more := len(of) - listed; more > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", more)
	}
	return b.String()
}

// cell keeps a name from ending its column.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
