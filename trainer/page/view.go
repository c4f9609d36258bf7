package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// view holds the texts and pictures of the page, in the order in which the page shows them.
type view struct {
	Style template.CSS

	Content
	Title     string
	Summary   string // the settings in one line
	Verdict   []string
	Rows      []row  // of the table of metrics
	More      []fact // further figures
	Confusion score.Confusion
	Threshold string // as a probability
	Recall    string
	Precision string

	Curve, Histogram, Loss, AUCPR, Reliability template.HTML

	Alarms, Missed int // all mistakes
	Wrong          int // the mistakes that the page shows
	MistakeViews   []mistakeView
	Facts          []fact // the settings that a reader asks for first
	Settings       string // all settings as JSON
	Digests        []fact
}

// row is one line of the table of metrics.
type row struct{ Name, AUCPR, Interval, Chance, F1, Precision, Recall, Samples, Note string }

// fact is a name, a value, and a note that explains the value if it needs one.
type fact struct{ Name, Value, Note string }

// mistakeView is one mistake with its texts and pictures.
type mistakeView struct {
	Mistake
	Kind, Probability string
	Relabelled        string // the label in labels.csv, if a correction changed it
	Channels          []picture
	Base              template.URL // the mean of the channels
	Layers            template.CSS // both heats as custom properties, to draw over any channel
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
		Title:     title(content.Manifest),
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
	v.Loss = lossChart(content.Epochs, content.Manifest.Epoch)
	v.AUCPR = aucChart(content.Epochs, content.Manifest.Epoch)
	for _, m := range content.Mistakes {
		c, err := newMistakeView(m, content.Manifest.Input)
		if err != nil {
			return v, fmt.Errorf("sample %s: %w", m.ID, err)
		}
		v.MistakeViews = append(v.MistakeViews, c)
	}
	return v, nil
}

func title(m wire.Manifest) string {
	return fmt.Sprintf("ResNet-%d, trial %s of run %s, epoch %d", m.Architecture.Depth, m.Trial, m.Run.Name, m.Epoch)
}

const (
	verdictMetric = "On %d samples of the %s split the AUC-PR is %.4f, with a 95 %% interval from %.3f to %.3f. " +
		"The chance level is %.3f, the share of defects."
	verdictThreshold = "At the threshold the model finds %d of %d defects and misses %d, " +
		"and it calls %d of %d normal samples defects."
	verdictChance = "The interval reaches down to the chance level: " +
		"these samples do not show that the model has learned anything."
)

// verdict answers the first questions of a person at the line in sentences.
func verdict(content Content, c score.Confusion) []string {
	m := content.Metrics
	defects, normals := c.TruePositive+c.FalseNegative, c.FalsePositive+c.TrueNegative
	sentences := []string{
		fmt.Sprintf(verdictMetric, m.Samples, content.Split, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence),
		fmt.Sprintf(verdictThreshold, c.TruePositive, defects, c.FalseNegative, c.FalsePositive, normals),
	}
	if m.AUCPRLow <= m.Prevalence {
		sentences = append(sentences, verdictChance)
	}
	return sentences
}

// splitNote says what a split was used for, and so how far its figures can be trusted.
func splitNote(split string, epoch int) string {
	switch split {
	case "test":
		return "not used for training or selection"
	case "validation":
		return fmt.Sprintf("used for selection: epoch %d, temperature and threshold were chosen to fit it", epoch)
	case "train":
		return "used for training: the figures are better than those of new samples"
	}
	return "a part was used for training, a part for selection"
}

// metricRows returns the rows of the table of metrics: the validation split, whose metrics are in the manifest; the
// split that was scored; and, if corrections changed labels in it, the same split under the labels in labels.csv.
func metricRows(content Content, judged []score.Sample) []row {
	var rows []row
	epoch := content.Manifest.Epoch
	if m := content.Manifest.Metrics; m != nil && content.Split != "validation" {
		rows = append(rows, newRow("validation", *m, splitNote("validation", epoch)))
	}
	rows = append(rows, newRow(content.Split, content.Metrics, splitNote(content.Split, epoch)))
	changed := 0
	for i, s := range content.Samples {
		if s.Given != s.Defect {
			changed++
		}
		judged[i].Defect = s.Given
	}
	if changed > 0 {
		if m, err := score.Measure(judged, content.Metrics.Threshold, content.Manifest.Seed); err == nil {
			note := fmt.Sprintf("labels as in labels.csv; corrections change %d of them", changed)
			rows = append(rows, newRow(content.Split+", uncorrected", m, note))
		}
	}
	for i, s := range content.Samples {
		judged[i].Defect = s.Defect
	}
	return rows
}

func newRow(name string, m wire.Metrics, note string) row {
	three := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	return row{
		Name:      name,
		AUCPR:     fmt.Sprintf("%.4f", m.AUCPR),
		Interval:  three(m.AUCPRLow) + " to " + three(m.AUCPRHigh),
		Chance:    three(m.Prevalence),
		F1:        three(m.F1),
		Precision: three(m.Precision),
		Recall:    three(m.Recall),
		Samples:   fmt.Sprint(m.Samples),
		Note:      note,
	}
}

// Notes on the further figures.
const (
	noteTrapezoid = "the area under the same points joined by straight lines; a published AUC-PR may be of either kind"
	noteF1AtHalf  = "as if the threshold were at a probability of 0.5"
	noteOracleF1  = "an upper bound: this threshold is chosen on these very labels, so only in hindsight"
	noteRecall    = "share of defects found if at most %s of the calls are false; also chosen in hindsight"
	noteROC       = "looks high if defects are rare; the chance level is 0.5"
	noteBrier     = "mean squared error of the probability; predicting %s for every sample gives %.4f"
	noteECE       = "mean distance of predicted probability and share of defects, over %d bins; never 0 on few samples"
)

// moreFacts returns the figures that others publish, each with a note that says what it means.
func moreFacts(m wire.Metrics, judged []score.Sample) ([]fact, error) {
	facts := []fact{
		{"AUC-PR by trapezoids", fmt.Sprintf("%.4f", m.Trapezoid), noteTrapezoid},
		{"F1 at probability 0.5", fmt.Sprintf("%.3f", m.F1AtHalf), noteF1AtHalf},
		{"Highest F1 of any threshold", fmt.Sprintf("%.3f", m.OracleF1), noteOracleF1},
	}
	for _, precision := range []float64{0.8, 0.9, 0.95} {
		recall, err := score.RecallAtPrecision(judged, precision)
		if err != nil {
			return nil, err
		}
		facts = append(facts, fact{
			fmt.Sprintf("Recall at precision %g", precision),
			fmt.Sprintf("%.3f", recall),
			fmt.Sprintf(noteRecall, percent(1-precision)),
		})
	}
	if m.ROCAUC > 0 { // it is not defined without a normal sample
		facts = append(facts, fact{"AUC-ROC", fmt.Sprintf("%.4f", m.ROCAUC), noteROC})
	}
	q := m.Prevalence
	return append(facts,
		fact{"Brier score", fmt.Sprintf("%.4f", m.Brier), fmt.Sprintf(noteBrier, percent(q), q*(1-q))},
		fact{"Calibration error", fmt.Sprintf("%.4f", m.CalibrationError), fmt.Sprintf(noteECE, score.Bins)}), nil
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
		return c, fmt.Errorf("got %d bytes of pixels, but %d channels of %dx%d have %d",
			len(m.Pixels), n, in.Size, in.Size, in.Size*in.Size*n)
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
		url, err := dataURI(h.heat.layer(min(in.Size, 64))) // the browser scales it up smoothly
		if err != nil {
			return c, err
		}
		layers = append(layers, fmt.Sprintf("--%s:url(%s)", h.class, url))
		peak := "no evidence for a defect"
		if h.heat.Peak > 0 {
			peak = fmt.Sprintf("strength %.3g", h.heat.Peak)
		}
		c.Heats = append(c.Heats, heatView{h.name, h.class, peak})
	}
	c.Layers = template.CSS(strings.Join(layers, ";"))
	return c, nil
}

// summary returns one line about how the model was trained.
func summary(m wire.Manifest) string {
	h, start := m.Settings.Hyperparameters, "random weights"
	if m.Settings.Pretrained != nil {
		start = "pretrained weights"
	}
	return fmt.Sprintf("from %s, %d x %d pixels, %d channels, %s at %g, batch %d, %d epochs planned; weights %s",
		start, m.Input.Size, m.Input.Size, len(m.Input.Channels),
		h.Optimizer, h.LearningRate, h.BatchSize, h.Epochs, weightsNote(m.Weights))
}

// settingFacts returns the settings that a reader asks for first. All settings are at the end of the page.
func settingFacts(m wire.Manifest) []fact {
	s, h := m.Settings, m.Settings.Hyperparameters
	start, startNote := "random weights", ""
	if p := s.Pretrained; p != nil {
		start, startNote = p.URI, "input adaptation: "+p.InputAdaptation
	}
	return []fact{
		{"Run", m.Run.Namespace + "/" + m.Run.Name, ""},
		{"Trial", m.Trial, fmt.Sprintf("attempt %d, writer %s", m.Attempt, m.Writer)},
		{
			"Depth",
			fmt.Sprintf("ResNet-%d", m.Architecture.Depth),
			fmt.Sprintf("block %s, %.1f million weights, %s",
				m.Architecture.Block, float64(m.Architecture.Parameters)/1e6, weightsNote(m.Weights)),
		},
		{
			"Epoch",
			fmt.Sprintf("%d of %d", m.Epoch, h.Epochs),
			fmt.Sprintf("%d steps, and %d that were skipped because a gradient was not finite", m.Step, m.Skipped),
		},
		{"Images", fmt.Sprintf("%d x %d", m.Input.Size, m.Input.Size), strings.Join(m.Input.Channels, ", ")},
		{"Started from", start, startNote},
		{
			"Recipe",
			fmt.Sprintf("%s at %g, batch %d", h.Optimizer, h.LearningRate, h.BatchSize),
			fmt.Sprintf("preset %s, seed %d", h.Preset, h.Seed),
		},
		{
			"Imbalance",
			fmt.Sprintf("sampler %g, loss %g", s.Imbalance.SamplerWeight, s.Imbalance.LossWeight),
			"exponents of the class frequency: 0 has no effect, 1 balances the classes completely",
		},
		{
			"Calibration",
			fmt.Sprintf("temperature %.3g", m.Calibration.Temperature),
			fmt.Sprintf("prior shift %.3g, threshold %.4f on the logit", m.Calibration.Shift, m.Calibration.Threshold),
		},
		{
			"Numerics",
			m.Numerics.Precision,
			fmt.Sprintf("TensorFlow %s, %s, %d threads, %s",
				m.Numerics.TensorFlow, m.Numerics.Device, m.Numerics.Threads, m.Numerics.ISA),
		},
	}
}

// weightsNote says which weights a checkpoint has. kind is raw or ema.
func weightsNote(kind string) string {
	if kind == "ema" {
		return "averaged over the steps"
	}
	return "of the last step"
}

func digestFacts(content Content) []fact {
	d := content.Manifest.Digests
	facts := []fact{
		{"Checkpoint", content.Checkpoint.Digest, content.Checkpoint.URI},
		{"Data", d.Data, "dataset.yaml and every image file"},
		{"Labels", d.Labels, "labels.csv"},
	}
	if d.Overlay != "" {
		facts = append(facts, fact{"Corrections", d.Overlay, ""})
	}
	facts = append(facts, fact{"Split", d.Split, "which sample is in which split"})
	if content.Manifest.Pretrained != "" {
		facts = append(facts, fact{"Pretrained", content.Manifest.Pretrained, ""})
	}
	return facts
}

// percent returns a probability as a percentage with at most one digit after the point. It never returns 0 % or 100 %
// for a probability that is not exactly 0 or 1.
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
