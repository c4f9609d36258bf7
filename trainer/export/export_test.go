package export

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

func TestAServedModelPredictsWhatTheTrainerScored(t *testing.T) {
	m, scores, images := trained(t)
	dir := filepath.Join(t.TempDir(), "model")
	if err := Write(dir, m); err != nil {
		t.Fatal(err)
	}
	served, err := Load(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if served.Size != 32 || served.Channels != 6 {
		t.Errorf("the model takes %dx%dx%d images, want 32x32x6", served.Size, served.Size, served.Channels)
	}
	got, err := served.Predict(images, len(scores))
	if err != nil {
		t.Fatal(err)
	}
	positives := 0
	for i, score := range scores {
		logit := (float64(score) - m.Calibration.Shift) / m.Calibration.Temperature
		want := Prediction{
			Logit:       float32(logit),
			Probability: float32(1 / (1 + math.Exp(-logit))),
			Positive:    logit >= m.Calibration.Threshold,
		}
		if !near(got[i].Logit, want.Logit) ||
			!near(got[i].Probability, want.Probability) ||
			got[i].Positive != want.Positive {
			t.Errorf("image %d: got %+v, want %+v", i, got[i], want)
		}
		if got[i].Positive {
			positives++
		}
	}
	if positives == 0 || positives == len(scores) {
		t.Errorf("%d of %d images are positive, so the threshold was not tested", positives, len(scores))
	}
}

func near(a, b float32) bool { return math.Abs(float64(a-b)) <= 1e-5 }

func TestTheLayoutIsTensorFlowServings(t *testing.T) {
	m, _, _ := trained(t)
	first, second := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "2")
	for _, dir := range []string{first, second} {
		if err := Write(dir, m); err != nil {
			t.Fatal(err)
		}
	}
	var files []string
	err := filepath.WalkDir(first, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(first, path)
		files = append(files, name)
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(second, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two exports of one model (%v, %v)", name, errA, errB)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index"}
	if !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	info, err := os.Stat(filepath.Join(first, want[1]))
	if err != nil {
		t.Fatal(err)
	}
	// The file holds 11,186,946 weights and 9,600 statistics of four bytes, and no slot of the optimizer.
	if info.Size() != 4*(11186946+9600) {
		t.Errorf("the variables take %d bytes, want %d", info.Size(), 4*(11186946+9600))
	}
}

func TestWriteRefuses(t *testing.T) {
	good, _, _ := trained(t)
	full := t.TempDir()
	if err := os.Mkdir(filepath.Join(full, "variables"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Model)
		dir   string
		want  string
	}{
		"another block": {
			spoil: func(m *Model) { m.Architecture.Block = "v2" },
			want:  `block "v2" is neither`,
		},
		"no epsilon": {
			spoil: func(m *Model) { m.Architecture.Epsilon = 0 },
			want:  "epsilon 0 is outside 0..1",
		},
		"a temperature of zero": {
			spoil: func(m *Model) { m.Calibration.Temperature = 0 },
			want:  "temperature 0 is not above 0",
		},
		"another comparator": {
			spoil: func(m *Model) { m.Calibration.Comparator = ">" },
			want:  `comparator ">" is not >=`,
		},
		"a depth that does not fit": {
			spoil: func(m *Model) { m.Architecture.Depth = 34 },
			want:  "tensor layer1.2.bn1.bias is missing",
		},
		"a missing tensor": {
			spoil: func(m *Model) { m.Tensors = m.Tensors[1:] },
			want:  "tensor bn1.bias is missing",
		},
		"a missing mean": {
			spoil: func(m *Model) { m.Input.Mean = m.Input.Mean[1:] },
			want:  "6 channels, 5 means",
		},
		"a directory with a model": {
			spoil: func(*Model) {},
			dir:   full,
			want:  "variables: file exists",
		},
	} {
		m := good
		c.spoil(&m)
		dir := c.dir
		if dir == "" {
			dir = filepath.Join(t.TempDir(), "model")
		}
		if err := Write(dir, m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	m, _, images := trained(t)
	whole := filepath.Join(t.TempDir(), "whole")
	if err := Write(whole, m); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"a missing directory": {os.RemoveAll, "load the model in"},
		"a cut-off graph": {func(dir string) error {
			return os.Truncate(filepath.Join(dir, "saved_model.pb"), 1000)
		}, "load the model in"},
		"missing variables": {func(dir string) error {
			return os.Remove(filepath.Join(dir, "variables", "variables.data-00000-of-00001"))
		}, "load the model in"},
	} {
		dir := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		if err := c.damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir, 2); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	served, err := Load(whole, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	_, err = served.Predict(images[1:], 6)
	if err == nil || !strings.Contains(err.Error(), "predict 6 images of 32x32x6") {
		t.Errorf("a cut-off image: got %v", err)
	}
}

// trained returns a model after two steps, with the images that it was trained on and their scores. Its calibration
// makes half of the images defects. The model is trained once for all tests.
func trained(t *testing.T) (Model, []float32, []uint8) {
	t.Helper()
	once.Do(func() { model, scored, pictures = train(t) })
	return model, scored, pictures
}

var (
	once     sync.Once
	model    Model
	scored   []float32
	pictures []uint8
)

func train(t *testing.T) (Model, []float32, []uint8) {
	mean, std := []float64{100, 110, 120, 130, 140, 150}, []float64{50, 51, 52, 53, 54, 55}
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.ImageSize, h.EMA, h.Augment = 32, 0, wire.Augment{}
	s, err := session.New(session.Config{
		Architecture: resnet.Of(18),
		Channels:     6,
		Mean:         mean,
		Std:          std,
		Hyper:        h,
		Threads:      2,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 40 // more than one run of predictions
	b := loop.Batch{
		Images:  make([]uint8, n*32*32*6),
		Labels:  make([]int32, n),
		Weights: make([]float32, n),
	}
	for i := range b.Images {
		b.Images[i] = uint8(i*i>>3 + i/(32*32*6)*5)
	}
	for i := range n {
		b.Labels[i], b.Weights[i] = int32(i%2), 1
	}
	for step := int64(1); step <= 2; step++ {
		if _, err := s.Step(b, loop.StepParams{Phase: loop.All, LearningRate: 1e-3, PhaseStep: step}); err != nil {
			t.Fatal(err)
		}
	}
	scores, err := s.Evaluate(b.Images, n)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := s.Snapshot(loop.Inference)
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.Sorted(slices.Values(scores))
	shift, temperature := 0.4, 1.5
	middle := (float64(sorted[n/2-1]) + float64(sorted[n/2])) / 2
	return Model{
		Architecture: s.Architecture(),
		Input: wire.Input{
			Channels: []string{"AM", "GRAY", "G", "R", "W", "NORMAL"},
			Size:     32,
			Mean:     mean,
			Std:      std,
		},
		Calibration: wire.Calibration{
			Shift:       shift,
			Temperature: temperature,
			Threshold:   (middle - shift) / temperature,
			Comparator:  ">=",
		},
		Tensors: checkpoint.Tensors(tensors),
		Threads: 2,
	}, scores, b.Images
}
