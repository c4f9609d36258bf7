package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// view is the page in words and pictures, in the order in which it is read.
type view struct {
	Style template.CSS

	Content
	Title     string
	Summary   string // of the settings
	Verdict   []string
	Rows      []row // metrics
	More      []fact
	Confusion score.Confusion
	Threshold string // as a probability
	Recall    string
	Precision string

	Curve, Histogram, Loss, AUCPR, Reliability template.HTML

	Wrong, Alarms, Missed int // Wrong of them are shown
	MistakeViews          []mistakeView
	Facts                 []fact // settings
	Settings              string // all of them, as JSON
	Digests               []fact
}

// row is one line of the table of metrics.
type row struct{ Name, AUCPR, Interval, Blind, F1, Precision, Recall, Samples, Note string }

// fact is a name, a value, and what the value means where that is not plain.
type fact struct{ Name, Value, Note string }

// mistakeView is one mistake.
type mistakeView struct {
	Mistake
	Kind, Probability string
	Relabelled        string // the label it had at first, where a correction changed it
	Channels          []picture
	Base              template.URL // the mean of the channels
	Layers            template.CSS // both heats, for laying over any channel
	Heats             []heatView
}

type picture struct {
	Name string
	URL  template.URL
}

type heatView struct {
	Name, Class, Peak string
}

func newView(content Content) (view, error) {
	judged := Judged(content.Samples)
	threshold := content.Manifest.Calibration.Threshold
	v := view{
		Style: template.CSS(styleText), Content: content,
		Title:     fmt.Sprintf("ResNet-%d, trial %s of run %s, epoch %d", content.Manifest.Architecture.Depth, content.Manifest.Trial, content.Manifest.Run.Name, content.Manifest.Epoch),
		Summary:   summary(content.Manifest),
		Confusion: score.At(judged, threshold),
		Threshold: percent(score.Probability(threshold)),
		Rows:      metricRows(content, judged),
		Facts:     settingFacts(content.Manifest),
		Digests:   digestFacts(content),
	}
	v.Alarms, v.Missed, v.Wrong = v.Confusion.FalsePositive, v.Confusion.FalseNegative, len(content.Mistakes)
	v.Recall, v.Precision = percent(v.Confusion.Recall()), percent(v.Confusion.Precision())
	v.Verdict = verdict(content, v.Confusion)
	settings, err := json.MarshalIndent(content.Manifest.Settings, "", "  ")
	if err != nil {
		return v, err
	}
	v.Settings = string(settings)
	points, err := score.Curve(judged)
	if err != nil {
		return v, fmt.Errorf("the %s split: %w", content.Split, err)
	}
	bins, err := score.Reliability(judged)
	if err != nil {
		return v, fmt.Errorf("the %s split: %w", content.Split, err)
	}
	if v.More, err = moreFacts(content.Metrics, judged); err != nil {
		return v, fmt.Errorf("the %s split: %w", content.Split, err)
	}
	v.Curve = curveChart(points, v.Confusion, content.Metrics.Prevalence)
	v.Histogram = histogramChart(content.Samples, threshold)
	v.Reliability = reliabilityChart(bins)
	v.Loss, v.AUCPR = lossChart(content.Epochs, content.Manifest.Epoch), aucChart(content.Epochs, content.Manifest.Epoch)
	for _, m := range content.Mistakes {
		c, err := newMistakeView(m, content.Manifest.Input)
		if err != nil {
			return v, fmt.Errorf("sample %s: %w", m.ID, err)
		}
		v.MistakeViews = append(v.MistakeViews, c)
	}
	return v, nil
}

// verdict says in sentences what a person at the line would ask first.
func verdict(content Content, c score.Confusion) []string {
	m := content.Metrics
	says := []string{
		fmt.Sprintf("On %d samples of the %s split its AUC-PR is %.4f, with a 95 %% interval from %.3f to %.3f. A blind model would reach %.3f, the share of defects.",
			m.Samples, content.Split, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence),
		fmt.Sprintf("At its threshold it finds %d of %d defects and lets %d pass, and it takes %d of %d normal samples for defects.",
			c.TruePositive, c.TruePositive+c.FalseNegative, c.FalseNegative, c.FalsePositive, c.FalsePositive+c.TrueNegative),
	}
	if m.AUCPRLow <= m.Prevalence {
		says = append(says, "The interval reaches down to a blind model's: that it has learned anything is not shown.")
	}
	return says
}

// seenNote says what figures of a split are worth.
func seenNote(split string, epoch int) string {
	switch split {
	case "test":
		return "held out: selected nothing"
	case "validation":
		return fmt.Sprintf("selected on: epoch %d, temperature and threshold were chosen to suit it", epoch)
	case "train":
		return "trained on: too good to be true"
	}
	return "some of it was trained on, some selected on"
}

// metricRows puts validation, which the manifest knows, before what was scored now.
func metricRows(content Content, judged []score.Sample) []row {
	one := func(name string, m wire.Metrics, note string) row {
		return row{
			Name: name, AUCPR: fmt.Sprintf("%.4f", m.AUCPR), Interval: fmt.Sprintf("%.3f to %.3f", m.AUCPRLow, m.AUCPRHigh),
			Blind: fmt.Sprintf("%.3f", m.Prevalence), F1: fmt.Sprintf("%.3f", m.F1), Precision: fmt.Sprintf("%.3f", m.Precision),
			Recall: fmt.Sprintf("%.3f", m.Recall), Samples: fmt.Sprint(m.Samples), Note: note,
		}
	}
	var rows []row
	if m := content.Manifest.Metrics; m != nil && content.Split != "validation" {
		rows = append(rows, one("validation", *m, seenNote("validation", content.Manifest.Epoch)))
	}
	rows = append(rows, one(content.Split, content.Metrics, seenNote(content.Split, content.Manifest.Epoch)))
	changed := 0
	for i, s := range content.Samples {
		if s.Given != s.Defect {
			changed++
		}
		judged[i].Defect = s.Given
	}
	if changed > 0 {
		if m, err := score.Measure(judged, content.Metrics.Threshold, content.Manifest.Seed); err == nil {
			rows = append(rows, one(content.Split+", as first labelled", m, fmt.Sprintf("without the corrections; labels changed: %d", changed)))
		}
	}
	for i, s := range content.Samples {
		judged[i].Defect = s.Defect
	}
	return rows
}

// moreFacts are the figures that others report, each with what it is good for.
func moreFacts(m wire.Metrics, judged []score.Sample) ([]fact, error) {
	facts := []fact{
		{"AUC-PR by trapezoids", fmt.Sprintf("%.4f", m.Trapezoid), "the same curve joined by straight lines: published figures do not always say which one they are"},
		{"F1 at probability 0.5", fmt.Sprintf("%.3f", m.F1AtHalf), "had no threshold been chosen"},
		{"F1 of the best threshold in hindsight", fmt.Sprintf("%.3f", m.OracleF1), "an oracle's: chosen on these very labels, out of reach for anybody else"},
	}
	for _, precision := range []float64{0.8, 0.9, 0.95} {
		recall, err := score.RecallAtPrecision(judged, precision)
		if err != nil {
			return nil, err
		}
		facts = append(facts, fact{fmt.Sprintf("Recall at precision %g", precision), fmt.Sprintf("%.3f", recall), fmt.Sprintf("defects found while at most %s of the calls are false; in hindsight, too", percent(1-precision))})
	}
	if m.ROCAUC > 0 { // without a normal sample there is none
		facts = append(facts, fact{"AUC-ROC", fmt.Sprintf("%.4f", m.ROCAUC), "kind where defects are rare; a blind model has 0.5"})
	}
	q := m.Prevalence
	return append(facts,
		fact{"Brier score", fmt.Sprintf("%.4f", m.Brier), fmt.Sprintf("mean square error of the probability; saying %s of every sample gives %.4f", percent(q), q*(1-q))},
		fact{"Calibration error", fmt.Sprintf("%.4f", m.CalibrationError), fmt.Sprintf("mean distance between what was said and what was true, over %d bins; never 0 on few samples", score.Bins)}), nil
}

func newMistakeView(m Mistake, in wire.Input) (mistakeView, error) {
	c := mistakeView{Mistake: m, Kind: "false alarm", Probability: percent(score.Probability(m.Logit))}
	if m.Defect {
		c.Kind = "missed defect"
	}
	if m.Given != m.Defect {
		c.Relabelled = map[bool]string{true: "defect", false: "normal"}[m.Given]
	}
	n := len(in.Channels)
	if len(m.Pixels) != in.Size*in.Size*n {
		return c, fmt.Errorf("%d bytes of pixels, where %d channels of %dx%d have %d", len(m.Pixels), n, in.Size, in.Size, in.Size*in.Size*n)
	}
	for k, name := range in.Channels {
		url, err := dataURI(shrunk(channel(m.Pixels, in.Size, n, k), largest))
		if err != nil {
			return c, err
		}
		c.Channels = append(c.Channels, picture{name, url})
	}
	var err error
	if c.Base, err = dataURI(shrunk(mean(m.Pixels, in.Size, n), largest)); err != nil {
		return c, err
	}
	var layers []string
	for _, h := range []struct {
		name, class string
		heat        Heat
	}{{"class activation", "cam", m.ClassActivation}, {"Grad-CAM, layer 3", "grad", m.GradCAM}} {
		if h.heat.Side < 1 || len(h.heat.Values) != h.heat.Side*h.heat.Side {
			return c, fmt.Errorf("its %s has %d values and a side of %d", h.name, len(h.heat.Values), h.heat.Side)
		}
		url, err := dataURI(h.heat.layer(min(in.Size, 64))) // the browser smooths what is between
		if err != nil {
			return c, err
		}
		layers = append(layers, fmt.Sprintf("--%s:url(%s)", h.class, url))
		peak := "nothing speaks for a defect"
		if h.heat.Peak > 0 {
			peak = fmt.Sprintf("strength %.3g", h.heat.Peak)
		}
		c.Heats = append(c.Heats, heatView{h.name, h.class, peak})
	}
	c.Layers = template.CSS(strings.Join(layers, ";"))
	return c, nil
}

// summary is how it was trained in one line.
func summary(m wire.Manifest) string {
	h, start := m.Settings.Hyperparameters, "random weights"
	if m.Settings.Pretrained != nil {
		start = "pretrained weights"
	}
	return fmt.Sprintf("from %s, %d x %d pixels, %d channels, %s at %g, batch %d, %d epochs planned; weights %s",
		start, m.Input.Size, m.Input.Size, len(m.Input.Channels), h.Optimizer, h.LearningRate, h.BatchSize, h.Epochs, weightsNote(m.Weights))
}

// settingFacts are the settings that a reader asks for first; all of them stand at the end of the page.
func settingFacts(m wire.Manifest) []fact {
	s, h := m.Settings, m.Settings.Hyperparameters
	facts := []fact{
		{"Run", m.Run.Namespace + "/" + m.Run.Name, ""},
		{"Trial", m.Trial, fmt.Sprintf("attempt %d, writer %s", m.Attempt, m.Writer)},
		{"Depth", fmt.Sprintf("ResNet-%d", m.Architecture.Depth), fmt.Sprintf("block %s, %.1f million weights, %s", m.Architecture.Block, float64(m.Architecture.Parameters)/1e6, weightsNote(m.Weights))},
		{"Epoch", fmt.Sprintf("%d of %d", m.Epoch, h.Epochs), fmt.Sprintf("%d steps, of which %d were skipped because a gradient was not finite", m.Step, m.Skipped)},
		{"Images", fmt.Sprintf("%d x %d", m.Input.Size, m.Input.Size), strings.Join(m.Input.Channels, ", ")},
		{"Started from", "random weights", ""},
		{"Recipe", fmt.Sprintf("%s at %g, batch %d", h.Optimizer, h.LearningRate, h.BatchSize), fmt.Sprintf("preset %s, seed %d", h.Preset, h.Seed)},
		{"Imbalance", fmt.Sprintf("sampler %g, loss %g", s.Imbalance.SamplerWeight, s.Imbalance.LossWeight), "exponents of the class frequency: 0 does nothing, 1 balances in full"},
		{"Calibration", fmt.Sprintf("temperature %.3g", m.Calibration.Temperature), fmt.Sprintf("prior shift %.3g, threshold %.4f on the logit", m.Calibration.Shift, m.Calibration.Threshold)},
		{"Numerics", m.Numerics.Precision, fmt.Sprintf("TensorFlow %s, %s, %d threads, %s", m.Numerics.TensorFlow, m.Numerics.Device, m.Numerics.Threads, m.Numerics.ISA)},
	}
	if p := s.Pretrained; p != nil {
		i := slices.IndexFunc(facts, func(f fact) bool { return f.Name == "Started from" })
		facts[i].Value, facts[i].Note = p.URI, "input adaptation: "+p.InputAdaptation
	}
	return facts
}

func weightsNote(kind string) string {
	if kind == "ema" {
		return "averaged over the steps"
	}
	return "as the last step left them"
}

func digestFacts(content Content) []fact {
	d := content.Manifest.Digests
	facts := []fact{{"Checkpoint", content.Checkpoint.Digest, content.Checkpoint.URI}, {"Data", d.Data, "dataset.yaml and every image file"}, {"Labels", d.Labels, "labels.csv"}}
	if d.Overlay != "" {
		facts = append(facts, fact{"Corrections", d.Overlay, ""})
	}
	facts = append(facts, fact{"Split", d.Split, "which sample is on which side"})
	if content.Manifest.Pretrained != "" {
		facts = append(facts, fact{"Pretrained", content.Manifest.Pretrained, ""})
	}
	return facts
}

// percent keeps two digits where they tell something, and never says 0 or 100 of what is not.
func percent(p float64) string {
	switch {
	case p > 0 && p < 0.0005:
		return "below 0.05 %"
	case p < 1 && p > 0.9995:
		return "above 99.95 %"
	}
	digits := 1
	if math.Abs(100*p-math.Round(100*p)) < 1e-9 { // 1 - 0.8 is a little less than 0.2
		digits = 0
	}
	return strconv.FormatFloat(100*p, 'f', digits, 64) + " %"
}
