package page

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

var update = flag.Bool("update", false, "overwrite the golden files")

// The golden file is the page without its style and without the bytes of its pictures, so that it can be read as
// prose.
func TestThePageIsTheGoldenOne(t *testing.T) {
	got := regexp.MustCompile(`(?s)<style>.*</style>`).ReplaceAllString(write(t, example()), "<style>…</style>")
	got = regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]+`).ReplaceAllString(got, "data:…")
	const file = "testdata/report.html"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the page has changed; read the difference, and run the test with -update if it is right:\n%s", diff)
	}
}

// An id comes from a file that anybody may have written. The page is opened by a person with access to the line.
func TestNoTextOfADataSetBecomesMarkup(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'&{{.}} url(javascript:1)`
	content := example()
	content.Split, content.Notes = evil, []string{evil}
	content.Manifest.Trial, content.Manifest.Writer, content.Manifest.Run.Name = evil, evil, evil
	content.Manifest.Input.Channels = []string{evil, "NORMAL"}
	content.Manifest.Settings.Dataset.URI = evil
	content.Manifest.Settings.Pretrained = &wire.Pretrained{URI: evil, InputAdaptation: evil}
	content.Manifest.Digests.Data, content.Checkpoint.URI = evil, evil
	for i := range content.Samples {
		content.Samples[i].ID, content.Samples[i].Package = evil, evil
	}
	for i := range content.Mistakes {
		content.Mistakes[i].ID, content.Mistakes[i].Package = evil, evil
	}
	text := write(t, content)
	if strings.Contains(text, "<img src=x") || strings.Contains(text, `alert(1)>"`) {
		t.Error("an id became an element")
	}
	if n := strings.Count(text, "&lt;img src=x onerror=alert(1)&gt;"); n < 20 {
		t.Errorf("the escaped name is %d times on the page, want at least 20", n)
	}
	elements := func(html string) int { return len(regexp.MustCompile(`<[a-z]+[^>]*`).FindAllString(html, -1)) }
	// Notes and pretrained weights add up to three elements.
	if got, want := elements(text), elements(write(t, example())); got < want || got > want+3 {
		t.Errorf("the page has %d elements, but with harmless names %d", got, want)
	}
}

func TestThePageIsSelfContained(t *testing.T) {
	text := write(t, example())
	for _, reference := range regexp.MustCompile(`(?:src|href|url)[=(]"?[^"')>]*`).FindAllString(text, -1) {
		if !strings.Contains(reference, "data:image/png;base64,") {
			t.Errorf("the page refers to %.80s", reference)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "ZgotmplZ") {
		t.Error("the page has a script, or html/template has refused a value")
	}
	if write(t, example()) != text {
		t.Error("the same content gave two pages")
	}
}

func TestThePageOfAnIncompleteContent(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*Content)
		say, hide string
	}{
		"no history": {
			change: func(content *Content) { content.Epochs = nil },
			say:    "Are the probabilities right?",
			hide:   "during training",
		},
		"an epoch without metrics": {
			change: func(content *Content) {
				content.Epochs[2].Metrics, content.Epochs[2].NotFinite = nil, "all are NaN"
			},
			say:  "AUC-PR during training",
			hide: "NaN",
		},
		"no epoch with metrics": {
			change: func(content *Content) { content.Epochs = []wire.Report{{Epoch: 1, TrainLoss: 1}} },
			say:    "Loss during training",
			hide:   "AUC-PR during training",
		},
		"no mistakes": {
			change: func(content *Content) {
				content.Mistakes = nil
				for i := range content.Samples {
					content.Samples[i].Logit = 5 * float64(2*class(content.Samples[i].Defect)-1)
				}
			},
			say:  "the decision agrees with the label of every sample in this split",
			hide: "<article",
		},
		"no pictures": {
			change: func(content *Content) { content.Mistakes = nil },
			say:    "made without pictures",
			hide:   "<article",
		},
		"an interval that reaches the chance level": {
			change: func(content *Content) { content.Metrics.AUCPRLow = 0.1 },
			say:    "these samples do not show that the model has learned anything",
		},
		"the validation split": {
			change: func(content *Content) { content.Split = "validation" },
			say:    "used for selection: epoch 4",
			hide:   "not used for training or selection",
		},
		"a single epoch": {
			change: func(content *Content) { content.Epochs, content.Manifest.Epoch = content.Epochs[:1], 1 },
			say:    "AUC-PR during training",
			hide:   "NaN",
		},
		"a score far from all others": {
			change: func(content *Content) { content.Samples[0].Logit = 4000 },
			say:    "calibrated probability",
			hide:   "NaN",
		},
	} {
		content := example()
		c.change(&content)
		text := write(t, content)
		if !strings.Contains(text, c.say) || c.hide != "" && strings.Contains(text, c.hide) {
			t.Errorf("%s: the page must say %q, and must not say %q", name, c.say, c.hide)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Content)
		want  string
	}{
		"no defect": {
			spoil: func(content *Content) { content.Samples = content.Samples[:0] },
			want:  "the test split: no defect among the samples",
		},
		"a score that is NaN": {
			spoil: func(content *Content) { content.Samples[3].Logit = math.NaN() },
			want:  "a score is NaN or Inf",
		},
		"an image that lacks a byte": {
			spoil: func(content *Content) { content.Mistakes[0].Pixels = content.Mistakes[0].Pixels[1:] },
			want:  "511 bytes of pixels",
		},
		"a heat with the wrong side": {
			spoil: func(content *Content) { content.Mistakes[0].GradCAM.Side = 3 },
			want:  "its Grad-CAM, layer 3 has 4 values and a side of 3",
		},
	} {
		content := example()
		c.spoil(&content)
		if err := Write(&bytes.Buffer{}, content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestWorst(t *testing.T) {
	s := func(id string, defect bool, logit float64) Sample {
		return Sample{ID: id, Defect: defect, Logit: logit}
	}
	many := []Sample{
		s("missed a little", true, 0.9), s("missed by far", true, -4), s("found", true, 1), s("passed", false, 0),
		s("alarm 1", false, 1), s("alarm 3", false, 3), s("alarm 2", false, 2), s("alarm 2 too", false, 2),
	}
	for name, c := range map[string]struct {
		in   []Sample
		n    int
		want []string
	}{
		"the furthest of each kind first": {
			in:   many,
			n:    4,
			want: []string{"missed by far", "missed a little", "alarm 3", "alarm 2"},
		},
		"few of one kind leave room for the other": {
			in:   many,
			n:    6,
			want: []string{"missed by far", "missed a little", "alarm 3", "alarm 2", "alarm 2 too", "alarm 1"},
		},
		"if only one fits, it is a defect": {
			in:   many,
			n:    1,
			want: []string{"missed by far"},
		},
		"more room than mistakes": {
			in:   many,
			n:    20,
			want: []string{"missed by far", "missed a little", "alarm 3", "alarm 2", "alarm 2 too", "alarm 1"},
		},
		"only false alarms": {
			in:   many[2:],
			n:    3,
			want: []string{"alarm 3", "alarm 2", "alarm 2 too"},
		},
		"only missed defects": {
			in:   many[:4],
			n:    3,
			want: []string{"missed by far", "missed a little"},
		},
		"no mistakes": {
			in: many[2:4],
			n:  3,
		},
	} {
		var got []string
		for _, i := range Worst(c.in, 1, c.n) {
			got = append(got, c.in[i].ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestHeatIsStrongestWhereTheMapSays(t *testing.T) {
	h := Heat{Side: 2, Values: []float32{0, 1, 0, 0}, Peak: 3}
	l := h.layer(8)
	if a := l.NRGBAAt(7, 0).A; a != 185 {
		t.Errorf("the upper right corner has the opacity %d", a)
	}
	if a, b := l.NRGBAAt(0, 7).A, l.NRGBAAt(4, 3).A; a != 0 || b == 0 || b == 185 {
		t.Errorf("the lower left corner has the opacity %d, the middle %d", a, b)
	}
}

func TestASheetHasThreeRowsOfChannels(t *testing.T) {
	m := example().Mistakes[0]
	sheet, err := Sheet(m.Pixels, 16, 2, m.ClassActivation, m.GradCAM)
	if err != nil {
		t.Fatal(err)
	}
	if got := sheet.Bounds().Size(); got.X != 2*128+4 || got.Y != 3*128+8 {
		t.Errorf("16 pixels are drawn as %v", got)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, sheet); err != nil {
		t.Error(err)
	}
	_, err = Sheet(m.Pixels, 17, 2, m.ClassActivation, m.GradCAM)
	if err == nil || !strings.Contains(err.Error(), "512 bytes") {
		t.Errorf("pixels of another size: %v", err)
	}
}

func TestPercent(t *testing.T) {
	for in, want := range map[float64]string{
		0:       "0 %",
		0.00001: "below 0.05 %",
		0.0312:  "3.1 %",
		0.05:    "5 %",
		1 - 0.8: "20 %",
		0.5:     "50 %",
		0.999:   "99.9 %",
		0.99999: "above 99.95 %",
		1:       "100 %",
	} {
		if got := percent(in); got != want {
			t.Errorf("percent(%v) is %q, want %q", in, got, want)
		}
	}
}

// example returns the content of a trial of five epochs, of which the fourth was the best, scored on a test split.
func example() Content {
	h, imbalance := wire.Recipe(wire.PresetDefault, false)
	h.Epochs, h.ImageSize = 5, 32
	metrics := func(epoch int) *wire.Metrics {
		v := []float64{0.35, 0.55, 0.71, 0.84, 0.82}[epoch-1]
		return &wire.Metrics{
			AUCPR: v, AUCPRLow: v - 0.13, AUCPRHigh: v + 0.09, F1: 0.78, Precision: 0.8, Recall: 0.76,
			Threshold: -0.4, Loss: 0.9 - v/2, Prevalence: 0.25, Samples: 60,
		}
	}
	content := Content{
		Manifest: wire.Manifest{
			Run:          wire.Run{Namespace: "inspection", Name: "erasers"},
			Trial:        "d18",
			Writer:       "d18-a1-pod",
			Attempt:      1,
			Epoch:        4,
			Step:         240,
			Seed:         1,
			Architecture: wire.Architecture{Depth: 18, Block: "v1.5", Parameters: 11180000},
			Weights:      "ema",
			Input:        wire.Input{Channels: []string{"GRAY", "NORMAL"}, Size: 16},
			Calibration:  wire.Calibration{Shift: 0.55, Temperature: 1.3, Threshold: -0.4, Comparator: ">="},
			Metrics:      metrics(4),
			Digests: wire.Digests{
				Data: "sha256:da7a", Labels: "sha256:1abe", Overlay: "sha256:c0de", Split: "sha256:5b17",
			},
			Settings: wire.Trial{
				Version: wire.Version, Name: "d18", Depth: 18, Hyperparameters: h, Imbalance: imbalance,
			},
			Numerics: wire.Numerics{
				TensorFlow: "2.18.1", ISA: "avx2", Threads: 2, Precision: "float32", Device: "cpu",
			},
		},
		Checkpoint: wire.CheckpointRef{URI: "file:///store/run/d18/d18-a1-pod/best-e0004", Digest: "sha256:c4ec"},
		Notes:      []string{"The corrections are not those of training."},
		Split:      "test",
	}
	for epoch := 1; epoch <= 5; epoch++ {
		content.Epochs = append(content.Epochs, wire.Report{
			Kind: wire.ReportEpoch, Epoch: epoch, Epochs: 5, TrainLoss: 0.8 / float64(epoch), Metrics: metrics(epoch),
		})
	}
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 60 {
		s := Sample{ID: fmt.Sprintf("e%02d", i), Package: "p" + string(rune('a'+i/5)), Defect: i%4 == 1}
		s.Given = s.Defect != (i == 9)
		s.Logit = 1.6*random.NormFloat64() - 2
		if s.Defect {
			s.Logit += 3.5
		}
		content.Samples = append(content.Samples, s)
	}
	var err error
	if content.Metrics, err = score.Measure(Judged(content.Samples), -0.4, 1); err != nil {
		panic(err)
	}
	for _, i := range Worst(content.Samples, -0.4, 4) {
		m := Mistake{Sample: content.Samples[i], Pixels: make([]uint8, 16*16*2),
			ClassActivation: Heat{1, []float32{1}, 2.5}, GradCAM: Heat{2, []float32{0, 1, 0.25, 0}, 0.125}}
		for k := range m.Pixels {
			m.Pixels[k] = uint8(k * (i + 3))
		}
		content.Mistakes = append(content.Mistakes, m)
	}
	content.Mistakes[0].ClassActivation = Heat{1, []float32{0}, 0}
	return content
}

func write(t *testing.T, content Content) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, content); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
