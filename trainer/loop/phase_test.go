package loop

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// watcher is a model that records its calls.
type watcher struct {
	*logistic
	steps       []StepParams
	restarts    []int // for each restart, how many steps came before it
	reestimated []int // for each re-estimated batch, how many steps came before it
}

func (w *watcher) Step(b Batch, p StepParams) (StepResult, error) {
	w.steps = append(w.steps, p)
	return w.logistic.Step(b, p)
}

func (w *watcher) Restart() error {
	w.restarts = append(w.restarts, len(w.steps))
	return w.logistic.Restart()
}

func (w *watcher) Reestimate(images []uint8, n, k int) error {
	w.reestimated = append(w.reestimated, len(w.steps))
	return w.logistic.Reestimate(images, n, k)
}

func TestTheHeadIsTrainedFirst(t *testing.T) {
	tr := newTrial(t) // one epoch of head phase, three of main phase; five steps each
	w := &watcher{logistic: tr.logistic()}
	if _, err := tr.run(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	var got []StepParams
	for _, i := range []int{0, 4, 5, 9, 10, 19} {
		w.steps[i].LossScale = 0 // float32 does not use it
		got = append(got, w.steps[i])
	}
	cosine := func(step float64) float32 { return float32(0.01 * (1 + math.Cos(math.Pi*step/10))) }
	average := func(t float64) float32 { return float32(1 - min(0.9, (1+t)/(10+t))) }
	want := []StepParams{
		// The head phase has the peak rate from its first step on.
		{Head, 1, 0.02, average(1), 0},
		{Head, 5, 0.02, average(5), 0},
		// The main phase begins with a warm-up and a fresh optimizer.
		{All, 1, 0.004, average(1), 0},
		{All, 5, 0.02, average(5), 0},
		{All, 6, cosine(0), average(6), 0},
		{All, 15, cosine(9), average(15), 0},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-7)); diff != "" {
		t.Errorf("steps:\n%s", diff)
	}
	if diff := cmp.Diff([]int{5}, w.restarts); diff != "" {
		t.Errorf("steps after which the optimizer was restarted:\n%s", diff)
	}
	if diff := cmp.Diff([]int{5, 5, 5, 5, 5}, w.reestimated); diff != "" { // 40 samples in batches of 8
		t.Errorf("steps after which statistics were re-estimated:\n%s", diff)
	}
}

func TestTrainingFromRandomWeightsHasOnePhase(t *testing.T) {
	tr := newTrial(t)
	h := &tr.config.Trial.Hyperparameters
	h.HeadEpochs, h.BatchNorm, h.Schedule = 0, wire.BatchNormTrain, wire.Constant
	w := &watcher{logistic: tr.logistic()}
	if _, err := tr.run(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	if w.restarts != nil || w.reestimated != nil {
		t.Errorf("restarts after %v, re-estimation after %v", w.restarts, w.reestimated)
	}
	first, last := w.steps[0], w.steps[19]
	if first.Phase != All || first.LearningRate != 0.004 {
		t.Errorf("the first step is %+v", first)
	}
	if last.Phase != All || last.PhaseStep != 20 || last.LearningRate != 0.02 {
		t.Errorf("the last step is %+v", last)
	}
}

func TestAveragesAreEvaluatedAndSaved(t *testing.T) {
	tr := newTrial(t)
	model := tr.logistic()
	out, err := tr.run(context.Background(), model)
	if err != nil {
		t.Fatal(err)
	}
	best, err := checkpoint.Load(out.Best.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if best.Manifest.Weights != "ema" || len(best.Tensors) != 2 {
		t.Fatalf("the best holds %q weights: %+v", best.Manifest.Weights, best.Tensors)
	}
	if weights := best.Tensors[1]; weights.Name != "fc.weight" || weights.Role != wire.RoleWeight {
		t.Errorf("the best's second tensor is %+v", weights)
	}
	for _, r := range tr.reports {
		if r.Metrics != nil && r.Weights != "ema" {
			t.Errorf("epoch %d was measured on %q weights", r.Epoch, r.Weights)
		}
	}
}

func TestPatienceEndsATrial(t *testing.T) {
	worse := func(l *logistic) { // from the third epoch on every score has the opposite sign
		l.spoilScore = func(call int, scores []float32) {
			for i := range scores {
				if call > 2 {
					scores[i] = -scores[i]
				}
			}
		}
	}
	tr := newTrial(t)
	h := &tr.config.Trial.Hyperparameters
	h.Epochs, h.Patience = 9, 2
	model := tr.logistic()
	worse(model)
	out, err := tr.run(context.Background(), model)
	if err != nil {
		t.Fatal(err)
	}
	if out.Best.Epoch != 2 || out.Epoch != 4 {
		t.Errorf("the best is epoch %d, the last epoch is %d, want 2 and 4", out.Best.Epoch, out.Epoch)
	}
	const says = "training ended after 4 of 9 epochs, because the last 2 were not better"
	last := tr.reports[len(tr.reports)-1]
	if last.Kind != wire.ReportFinished || !strings.Contains(last.Message, says) {
		t.Errorf("the last report is %+v, want a message with %q", last, says)
	}

	// A trial that resumes where it ended has nothing left to train.
	again := tr.logistic()
	if out, err = tr.run(context.Background(), again); err != nil || again.steps != 0 || out.Epoch != 4 {
		t.Errorf("again: %d steps, epoch %d, %v", again.steps, out.Epoch, err)
	}
}

func TestAugmentation(t *testing.T) {
	d := Data{Size: 32, Channels: []string{"A", "B", "C"}}
	a := wire.Augment{Shift: 0.25, Rotate: 90, Gain: 0.2, Offset: 0.3, ChannelDropout: 0.5}
	got := augmentation(a, 1, 3, 16, 200, d)

	t.Run("is within its limits", func(t *testing.T) {
		dropped := 0
		for i := range 200 {
			x := got.Transforms[8*i:][:8]
			norm := math.Hypot(float64(x[0]), float64(x[1]))
			if math.Abs(norm-1) > 1e-6 || x[0] < -1e-6 || x[0] != x[4] || x[1] != -x[3] || x[6] != 0 || x[7] != 0 {
				t.Fatalf("sample %d: %v is not a turn by at most 90 degrees", i, x)
			}
			// Only the shift moves the centre, by at most a quarter of the side.
			for _, row := range [][]float32{x[:3], x[3:6]} {
				c := float64(row[0])*15.5 + float64(row[1])*15.5 + float64(row[2])
				if math.Abs(c-15.5) > 8+1e-4 {
					t.Errorf("sample %d: the centre moves to %v", i, c)
				}
			}
			kept := 0
			for c := range 3 {
				gain, offset := got.Gain[3*i+c], got.Offset[3*i+c]
				switch {
				case gain == 0 && offset == 0:
					dropped++
				case gain < 0.8 || gain > 1.2 || offset < -0.3 || offset > 0.3:
					t.Errorf("sample %d, channel %d: gain %v, offset %v", i, c, gain, offset)
				default:
					kept++
				}
			}
			if kept == 0 {
				t.Errorf("all channels of sample %d were dropped", i)
			}
		}
		if dropped < 120 || dropped > 280 { // of 600; 200 are expected, because one of three always stays
			t.Errorf("%d channels were dropped", dropped)
		}
	})
	t.Run("follows from seed, epoch and position alone", func(t *testing.T) {
		part := augmentation(a, 1, 3, 20, 4, d)
		if diff := cmp.Diff(got.Transforms[8*4:8*8], part.Transforms); diff != "" {
			t.Errorf("samples 20 to 23, drawn with the others (-) and alone (+):\n%s", diff)
		}
		for name, other := range map[string]*Augmentation{
			"epoch": augmentation(a, 1, 4, 16, 4, d),
			"seed":  augmentation(a, 2, 3, 16, 4, d),
		} {
			if cmp.Equal(got.Gain[:12], other.Gain) {
				t.Errorf("another %s changes nothing", name)
			}
		}
	})
	if augmentation(wire.Augment{}, 1, 1, 0, 4, d) != nil {
		t.Error("the augmentation is not nil although the settings ask for none")
	}
}

func TestLossWeight(t *testing.T) {
	for name, tc := range map[string]struct {
		imbalance wire.Imbalance
		want      float64
	}{
		"none":                     {wire.Imbalance{}, 1},
		"in full":                  {wire.Imbalance{LossWeight: 1}, 9},
		"half way":                 {wire.Imbalance{LossWeight: 0.5}, 3},
		"effective number near 1":  {wire.Imbalance{EffectiveNumber: 0.9999999}, 9},
		"effective number, near 0": {wire.Imbalance{EffectiveNumber: 1e-9}, 1},
		"effective number": {
			wire.Imbalance{EffectiveNumber: 0.99}, (1 - math.Pow(0.99, 90)) / (1 - math.Pow(0.99, 10)),
		},
	} {
		if got := lossWeight([2]int{90, 10}, tc.imbalance); math.Abs(got-tc.want) > 1e-4 {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestLossScale(t *testing.T) {
	s := wire.LossScale{Value: firstScale}
	overflowed := nextScale(nextScale(s, false), false)
	if diff := cmp.Diff(wire.LossScale{Value: firstScale / 4}, overflowed); diff != "" {
		t.Error(diff)
	}
	for range raiseAfter - 1 {
		s = nextScale(s, true)
	}
	if diff := cmp.Diff(wire.LossScale{Value: firstScale, Steps: raiseAfter - 1}, s); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wire.LossScale{Value: 2 * firstScale}, nextScale(s, true)); diff != "" {
		t.Error(diff)
	}
	for range 40 {
		s = nextScale(s, false)
	}
	if s.Value != 1 {
		t.Errorf("the lowest scale is %v, want 1", s.Value)
	}
}

func TestAResumedTrialKeepsItsLossScale(t *testing.T) {
	tr := newTrial(t)
	tr.config.Trial.Hyperparameters.Precision = wire.Float16
	spoilt := tr.logistic()
	spoilt.spoilStep = func(taken int) bool { return taken == 2 }
	ctx, cancel := context.WithCancel(context.Background())
	spoilt.after = func(steps, _ int) {
		if steps == 7 {
			cancel()
		}
	}
	if _, err := tr.run(ctx, spoilt); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	w := &watcher{logistic: tr.logistic()}
	if _, err := tr.run(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	if got := w.steps[0].LossScale; got != firstScale/2 {
		t.Errorf("the trial resumes with the scale %v, want %v", got, firstScale/2)
	}
}
