package page

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// chart draws an SVG of 480 x 300 units, which the page scales. Colours are classes of the style sheet, so that they
// follow the reader's light or dark scheme. A text in a chart is either a constant in this file or a number, and
// never comes from a data set.
type chart struct {
	b                      strings.Builder
	x0, x1, y0, y1         float64 // values at the ends of the axes
	left, right, top, base float64 // positions of the ends of the axes, in units of the SVG
}

const (
	chartWidth  = 480
	chartHeight = 300
)

// newChart begins a chart. about is the chart's description for screen readers.
func newChart(about string, x0, x1, y0, y1 float64) *chart {
	c := &chart{
		x0: x0, x1: x1, y0: y0, y1: y1,
		left: 46, right: chartWidth - 12, top: 12, base: chartHeight - 40,
	}
	fmt.Fprintf(&c.b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		chartWidth, chartHeight, template.HTMLEscapeString(about))
	return c
}

// done ends the chart and returns it.
func (c *chart) done() template.HTML {
	c.b.WriteString("</svg>")
	return template.HTML(c.b.String())
}

// x and y return the position of a value, in units of the SVG.
func (c *chart) x(v float64) float64 { return c.left + (v-c.x0)/(c.x1-c.x0)*(c.right-c.left) }
func (c *chart) y(v float64) float64 { return c.base - (v-c.y0)/(c.y1-c.y0)*(c.base-c.top) }

func (c *chart) line(class string, x0, y0, x1, y1 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x0, y0, x1, y1)
}

func (c *chart) text(class string, x, y float64, text string) {
	fmt.Fprintf(&c.b, `<text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n",
		class, x, y, template.HTMLEscapeString(text))
}

// mark draws a point. The browser shows about when the mouse is over the point.
func (c *chart) mark(class string, x, y, radius float64, about string) {
	fmt.Fprintf(&c.b, `<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"><title>%s</title></circle>`+"\n",
		class, c.x(x), c.y(y), radius, template.HTMLEscapeString(about))
}

// path joins points by lines. The points are values on the two axes.
func (c *chart) path(class string, points [][2]float64) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(&c.b, `<path class="%s" d="`, class)
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&c.b, "%s%.1f %.1f", command, c.x(p[0]), c.y(p[1]))
	}
	c.b.WriteString(`"/>` + "\n")
}

// tick is a value on an axis and its label.
type tick struct {
	at   float64
	text string
}

func (c *chart) axes(xName, yName string, xs, ys []tick) {
	for _, t := range ys {
		c.line("grid", c.left, c.y(t.at), c.right, c.y(t.at))
		c.text("tick end", c.left-6, c.y(t.at)+4, t.text)
	}
	for _, t := range xs {
		c.line("grid", c.x(t.at), c.base, c.x(t.at), c.base+4)
		c.text("tick middle", c.x(t.at), c.base+16, t.text)
	}
	c.line("axis", c.left, c.base, c.right, c.base)
	c.text("name middle", (c.left+c.right)/2, chartHeight-6, xName)
	fmt.Fprintf(&c.b, `<text class="name middle" transform="translate(11 %.1f) rotate(-90)">%s</text>`+"\n",
		(c.top+c.base)/2, yName)
}

// fifths returns the ticks 0, 0.2, ... 1.
func fifths() (ticks []tick) {
	for i := range 6 {
		ticks = append(ticks, tick{float64(i) / 5, fmt.Sprintf("%.1f", float64(i)/5)})
	}
	return ticks
}

// rounded returns about n ticks from 0 to end, which is at least top. The distance between ticks is 1, 2 or 5 times a
// power of ten.
func rounded(top float64, n int) (ticks []tick, end float64) {
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/float64(n))))
	for _, by := range []float64{2, 2.5, 2} {
		if top/step > float64(n) {
			step *= by
		}
	}
	for i := 0; end < top; i++ {
		end = float64(i) * step
		ticks = append(ticks, tick{end, fmt.Sprintf("%g", math.Round(end*1e6)/1e6)})
	}
	return ticks, end
}

// curveChart draws precision against recall. The curve has steps, because average precision is the area below the
// steps.
func curveChart(points []score.Point, at score.Confusion, prevalence float64) template.HTML {
	c := newChart("Precision against recall", 0, 1, 0, 1)
	c.axes("recall: share of the defects that are found", "precision", fifths(), fifths())
	c.line("chance", c.x(0), c.y(prevalence), c.x(1), c.y(prevalence))
	c.text("chance", c.left+4, c.y(prevalence)-5, "chance level") // at the left, because the curve ends at the right
	var steps [][2]float64
	recall := 0.0
	for _, p := range points {
		steps = append(steps, [2]float64{recall, p.Precision}, [2]float64{p.Recall, p.Precision})
		recall = p.Recall
	}
	c.path("curve", steps)
	for _, p := range points {
		probability := percent(score.Probability(p.Threshold))
		c.mark("hover", p.Recall, p.Precision, 5, fmt.Sprintf(
			"threshold at probability %s: precision %.3f, recall %.3f", probability, p.Precision, p.Recall))
	}
	c.mark("chosen", at.Recall(), at.Precision(), 6, fmt.Sprintf(
		"the chosen threshold: precision %.3f, recall %.3f", at.Precision(), at.Recall()))
	return c.done()
}

// histogramBars is the number of bars in a histogram. A histogram may have one more, because the threshold is always
// at the edge between two bars: all samples in a bar get the same decision.
const histogramBars = 36

// histogramChart draws one histogram for each class, each with its own scale: beside a thousand normal samples fifty
// defects would not be visible. The axis is the logit, because scores are spread more evenly on it. Its labels are
// probabilities, because people understand them.
func histogramChart(samples []Sample, threshold float64) template.HTML {
	low, high := threshold-1, threshold+1
	for _, s := range samples {
		low, high = min(low, s.Logit), max(high, s.Logit)
	}
	low, high = max(low, threshold-12), min(high, threshold+12) // the outermost bars contain everything beyond
	width := (high - low) / histogramBars
	below := int(math.Ceil((threshold - low) / width))
	bars := below + int(math.Ceil((high-threshold)/width))
	low = threshold - float64(below)*width
	c := newChart("Scores of each class", low, low+float64(bars)*width, 0, 1)
	counts := [2][]int{make([]int, bars), make([]int, bars)}
	for _, s := range samples {
		bar := int(math.Floor((s.Logit - threshold) / width)) // a score at the threshold is in the first bar above it
		counts[class(s.Defect)][max(0, min(bar+below, bars-1))]++
	}
	middle := (c.top + c.base) / 2
	c.bars("defect", "defects", counts[1], c.top, middle-12)
	c.bars("normal", "normal samples", counts[0], middle-2, c.base)
	var shown []float64
	for _, p := range probabilityTicks {
		at := c.x(math.Log(p / (1 - p)))
		near := slices.ContainsFunc(shown, func(other float64) bool { return math.Abs(at-other) < 44 })
		if at < c.left || at > c.right || near {
			continue
		}
		shown = append(shown, at)
		c.line("grid", at, c.base, at, c.base+4)
		c.text("tick middle", at, c.base+16, fmt.Sprintf("%g %%", 100*p))
	}
	c.text("name middle", (c.left+c.right)/2, chartHeight-6, "calibrated probability of a defect")
	c.upright(threshold, "threshold")
	return c.done()
}

// probabilityTicks are the labels of the histogram's axis, the most important first: one that is too close to an
// earlier one is left out.
var probabilityTicks = []float64{0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 0.999, 0.25, 0.75, 0.03, 0.97, 0.0001, 0.9999}

// bars draws a histogram between the heights top and base, with a name above it.
func (c *chart) bars(class, name string, counts []int, top, base float64) {
	const heading = 18
	most := max(1, slices.Max(counts))
	width := (c.right - c.left) / float64(len(counts))
	step := (c.x1 - c.x0) / float64(len(counts))
	for bar, n := range counts {
		if n == 0 {
			continue
		}
		height := math.Max(1.5, (base-top-heading)*float64(n)/float64(most))
		from := c.x0 + step*float64(bar)
		fmt.Fprintf(&c.b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f">`,
			class, c.left+width*float64(bar)+0.5, base-height, width-1, height)
		fmt.Fprintf(&c.b, "<title>%s from %s to %s: %d</title></rect>\n",
			name, percent(score.Probability(from)), percent(score.Probability(from+step)), n)
	}
	c.text("tick end", c.left-6, top+heading+6, fmt.Sprint(most))
	c.text("tick end", c.left-6, base, "0")
	c.text("name", c.left+4, top+8, name)
	c.line("axis", c.left, base, c.right, base)
}

// upright draws a vertical line with a name over the whole height.
func (c *chart) upright(at float64, name string) {
	x := c.x(at)
	if x < c.left || x > c.right {
		return
	}
	c.line("threshold", x, c.top, x, c.base)
	if x > (c.left+c.right)/2 {
		c.text("name end", x-5, c.top+8, name)
	} else {
		c.text("name", x+5, c.top+8, name)
	}
}

// class returns the index of a class: 1 for defect, 0 for normal.
func class(defect bool) int {
	if defect {
		return 1
	}
	return 0
}

// epochAxis returns the ends and the ticks of an axis of epochs, at most about a dozen ticks. A single epoch is in
// the middle.
func epochAxis(epochs []wire.Report) (first, last float64, ticks []tick) {
	from, to := epochs[0].Epoch, epochs[len(epochs)-1].Epoch
	for e, every := from, (to-from)/12+1; e <= to; e += every {
		ticks = append(ticks, tick{float64(e), fmt.Sprint(e)})
	}
	first, last = float64(from), float64(to)
	if from == to {
		first, last = first-1, last+1
	}
	return first, last, ticks
}

// lossChart draws the training loss and the validation loss by epoch. It returns "" if epochs is empty.
func lossChart(epochs []wire.Report, best int) template.HTML {
	if len(epochs) == 0 {
		return ""
	}
	first, last, xs := epochAxis(epochs)
	top := 0.0
	var training, validation [][2]float64
	for _, e := range epochs {
		if e.TrainLoss > 0 {
			training = append(training, [2]float64{float64(e.Epoch), e.TrainLoss})
			top = max(top, e.TrainLoss)
		}
		if e.Metrics != nil {
			validation = append(validation, [2]float64{float64(e.Epoch), e.Metrics.Loss})
			top = max(top, e.Metrics.Loss)
		}
	}
	ys, end := rounded(top, 5)
	c := newChart("Loss by epoch", first, last, 0, end)
	c.axes("epoch", "cross-entropy", xs, ys)
	c.upright(float64(best), "selected")
	c.series("training", training, "training loss")
	c.series("curve", validation, "validation loss")
	return c.done()
}

// aucChart draws the AUC-PR on the validation split with its interval, by epoch. It returns "" if no epoch has
// metrics.
func aucChart(epochs []wire.Report, best int) template.HTML {
	var values, band [][2]float64
	var prevalence float64
	for _, e := range epochs {
		if e.Metrics != nil {
			values = append(values, [2]float64{float64(e.Epoch), e.Metrics.AUCPR})
			band = append(band, [2]float64{float64(e.Epoch), e.Metrics.AUCPRHigh})
			prevalence = e.Metrics.Prevalence
		}
	}
	if len(values) == 0 {
		return ""
	}
	for i := len(epochs) - 1; i >= 0; i-- {
		if m := epochs[i].Metrics; m != nil {
			band = append(band, [2]float64{float64(epochs[i].Epoch), m.AUCPRLow})
		}
	}
	first, last, xs := epochAxis(epochs)
	c := newChart("AUC-PR on the validation split by epoch, with its interval", first, last, 0, 1)
	c.axes("epoch", "AUC-PR", xs, fifths())
	c.path("band", band)
	c.line("chance", c.left, c.y(prevalence), c.right, c.y(prevalence))
	c.text("chance end", c.right, c.y(prevalence)-5, "chance level")
	c.upright(float64(best), "selected")
	c.series("curve", values, "AUC-PR")
	return c.done()
}

// series draws a line through points, and each point as a mark.
func (c *chart) series(class string, points [][2]float64, name string) {
	c.path(class, points)
	for _, p := range points {
		c.mark(class+" dot", p[0], p[1], 3, fmt.Sprintf("epoch %g: %s %.4f", p[0], name, p[1]))
	}
}

// reliabilityChart draws the share of defects against the predicted probability. A point's area grows with the number
// of samples in the bin.
func reliabilityChart(bins []score.Bin) template.HTML {
	c := newChart("Share of defects against predicted probability", 0, 1, 0, 1)
	c.axes("predicted probability of a defect", "share of defects", fifths(), fifths())
	c.line("chance", c.x(0), c.y(0), c.x(1), c.y(1))
	most := 1
	for _, b := range bins {
		most = max(most, b.Samples)
	}
	for _, b := range bins {
		if b.Samples == 0 {
			continue
		}
		radius := 3 + 9*math.Sqrt(float64(b.Samples)/float64(most))
		c.mark("bin", b.Probability, b.Defects, radius, fmt.Sprintf(
			"%d samples: predicted probability %s, share of defects %s",
			b.Samples, percent(b.Probability), percent(b.Defects)))
	}
	return c.done()
}
