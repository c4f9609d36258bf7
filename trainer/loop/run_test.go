package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

func TestATrialLearnsAndReportsItsCheckpoints(t *testing.T) {
	tr := newTrial(t)
	tr.spool = func(r wire.Report) error {
		if r.Checkpoint != nil { // it must be committed before it is reported
			if _, err := checkpoint.Load(*r.Checkpoint); err != nil {
				t.Errorf("report %d names a checkpoint that is not there: %v", r.Sequence, err)
			}
		}
		return nil
	}
	out, err := tr.run(context.Background(), tr.logistic())
	if err != nil {
		t.Fatal(err)
	}
	words := story(tr.reports)
	if !strings.HasPrefix(words, "started:0 epoch:1* ") || !strings.HasSuffix(words, " finished:4") {
		t.Errorf("the story is %q", words)
	}
	best := wire.EpochValue{AUCPR: -1}
	for i, r := range tr.reports {
		if err := r.Validate(); err != nil {
			t.Errorf("report %d: %v", i, err)
		}
		if r.Sequence != int64(i+1) || r.Writer != "d18-a1-pod1" {
			t.Errorf("report %d is number %d of %s", i, r.Sequence, r.Writer)
		}
		if r.Kind != wire.ReportEpoch {
			continue
		}
		c := wire.EpochValue{Epoch: r.Epoch, AUCPR: r.Metrics.AUCPR}
		better := wire.BetterEpoch(c, best)
		scored := len(r.Scores) == len(tr.data.Validation)
		if better != (r.Checkpoint != nil) || better != scored {
			t.Errorf("epoch %d (AUC-PR %.4f): better %v, checkpoint %v, %d scores",
				r.Epoch, c.AUCPR, better, r.Checkpoint, len(r.Scores))
		}
		if better {
			best = c
		}
	}
	if out.Best.Epoch != best.Epoch || out.Best.Metrics.AUCPR != best.AUCPR {
		t.Errorf("the best is %+v, want %+v", out.Best, best)
	}
	const prevalence = 1.0 / 3
	if out.Test == nil || out.Test.AUCPR < prevalence+0.3 || out.Best.Metrics.AUCPRLow < prevalence {
		t.Errorf("the model is at chance level: validation %+v, test %+v", out.Best.Metrics, out.Test)
	}
	if diff := cmp.Diff(out.Test, tr.reports[len(tr.reports)-1].Test); diff != "" {
		t.Errorf("the finished report's test metrics:\n%s", diff)
	}

	// The best checkpoint's recorded predictions can be computed again from that checkpoint alone.
	c, err := checkpoint.Load(out.Best.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	model := tr.logistic()
	if err := model.Restore(Inference, c.Tensors); err != nil {
		t.Fatal(err)
	}
	scores, _ := model.Evaluate(c.Golden, len(c.Manifest.Golden))
	defects := 0
	for i, g := range c.Manifest.Golden {
		logit := (float64(scores[i]) - c.Manifest.Calibration.Shift) / c.Manifest.Calibration.Temperature
		if logit != g.Logit || (logit >= c.Manifest.Calibration.Threshold) != g.Defect {
			t.Errorf("golden %s: logit %v, want %+v", g.ID, logit, g)
		}
		if strings.HasPrefix(g.ID, "s") && tr.data.Labels[indexOf(tr.data.IDs, g.ID)] == 1 {
			defects++
		}
	}
	if len(c.Manifest.Golden) != 8 || defects != 4 {
		t.Errorf("%d golden predictions, %d of defects, want 8 and 4", len(c.Manifest.Golden), defects)
	}
}

func indexOf(ids []string, id string) int {
	for i := range ids {
		if ids[i] == id {
			return i
		}
	}
	return -1
}

// end is what a trial leaves behind that must not depend on interruptions.
type end struct {
	Weights, Slots []byte // of the last resume checkpoint
	Best           []byte // weights of the best
	Epochs         []wire.Report
	Test           *wire.Metrics
}

// end reads what the trial has left behind.
func (tr *trial) end(out Outcome) end {
	tr.t.Helper()
	h := tr.config.Trial.Hyperparameters
	perEpoch := (len(tr.data.Train) + h.BatchSize - 1) / h.BatchSize
	last := fmt.Sprintf("resume-e%04d-s%08d", h.Epochs, h.Epochs*perEpoch)
	found, _ := filepath.Glob(filepath.Join(tr.store, tr.config.Trial.Run.UID, "d18/*", last))
	if len(found) != 1 {
		tr.t.Fatalf("%d checkpoints are named %s", len(found), last)
	}
	best, _ := wire.LocalPath(out.Best.Checkpoint.URI)
	e := end{
		Weights: tr.read(found[0], wire.WeightsFile),
		Slots:   tr.read(found[0], wire.SlotsFile),
		Best:    tr.read(best, wire.WeightsFile),
		Test:    out.Test,
	}
	for _, r := range tr.reports {
		if r.Kind == wire.ReportEpoch {
			e.Epochs = append(e.Epochs, r)
		}
	}
	return e
}

func (tr *trial) read(dir, file string) []byte {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		tr.t.Fatal(err)
	}
	return b
}

// sameFiles reports whether two trials left the same bytes.
func (e end) sameFiles(other end) bool {
	return bytes.Equal(e.Weights, other.Weights) && bytes.Equal(e.Slots, other.Slots) && bytes.Equal(e.Best, other.Best)
}

// otherFiles is the error of a test in which sameFiles is false.
const otherFiles = "weights, slots or the best's weights differ from those of an undisturbed trial"

// sameEnd ignores who sent a report, when, at what speed, and where the checkpoint is. Nothing else may differ.
var sameEnd = cmp.Options{cmpopts.IgnoreFields(wire.Report{},
	"Attempt", "Writer", "Sequence", "Time", "Throughput", "ComputedBy", "Checkpoint")}

// undisturbed runs a trial of the same settings without interruption.
func (tr *trial) undisturbed() end {
	other := newTrial(tr.t)
	other.config.Trial.Hyperparameters = tr.config.Trial.Hyperparameters
	other.config.Trial.Imbalance = tr.config.Trial.Imbalance
	out, err := other.run(context.Background(), other.logistic())
	if err != nil {
		tr.t.Fatal(err)
	}
	return other.end(out)
}

// runAgain makes two attempts. It expects that the store fails the first one, and that the second one finishes.
func (tr *trial) runAgain() Outcome {
	tr.t.Helper()
	if _, err := tr.run(context.Background(), tr.logistic()); !errors.Is(err, ErrStore) {
		tr.t.Fatalf("error %v, want %v", err, ErrStore)
	}
	out, err := tr.run(context.Background(), tr.logistic())
	if err != nil {
		tr.t.Fatal(err)
	}
	return out
}

// stopper reports whether an attempt is interrupted now. steps and evaluated count its calls of Step and Evaluate.
type stopper func(attempt, steps, evaluated int) bool

// runInterrupted makes attempts until one finishes. It interrupts each when stop says so.
func (tr *trial) runInterrupted(stop stopper) Outcome {
	tr.t.Helper()
	for {
		ctx, cancel := context.WithCancel(context.Background())
		model, attempt := tr.logistic(), tr.attempt+1
		model.after = func(steps, evaluated int) {
			if stop(attempt, steps, evaluated) {
				cancel()
			}
		}
		out, err := tr.run(ctx, model)
		cancel()
		if err == nil {
			return out
		}
		if !errors.Is(err, ErrInterrupted) || attempt > 50 {
			tr.t.Fatalf("attempt %d: %v", attempt, err)
		}
	}
}

func TestAnInterruptedTrialEndsInTheSameBytes(t *testing.T) {
	for _, sampler := range []float64{0, 0.5} {
		tr := newTrial(t)
		tr.config.Trial.Imbalance.SamplerWeight = sampler
		want := tr.undisturbed()
		total := 4 * 5
		cases := map[string]stopper{
			"every third step": func(_, steps, _ int) bool { return steps == 3 },
			"every validation": func(_, _, evaluated int) bool { return evaluated == 1 },
			"the test, twice":  func(attempt, _, evaluated int) bool { return evaluated == 5 || attempt == 2 },
		}
		for k := 1; k <= total; k++ {
			name := fmt.Sprintf("after step %d", k)
			cases[name] = func(attempt, steps, _ int) bool { return attempt == 1 && steps == k }
		}
		for name, stop := range cases {
			if sampler == 0 && strings.HasPrefix(name, "after step") {
				continue // one sampler is enough
			}
			t.Run(fmt.Sprintf("sampler %v, %s", sampler, name), func(t *testing.T) {
				t.Parallel() // fsync takes most of the time
				tr := newTrial(t)
				tr.config.Trial.Imbalance.SamplerWeight = sampler
				got := tr.end(tr.runInterrupted(stop))
				if tr.attempt == 1 && !strings.HasPrefix(name, "the test") {
					t.Error("was never interrupted")
				}
				if !got.sameFiles(want) {
					t.Error(otherFiles)
				}
				if diff := cmp.Diff(want.Epochs, got.Epochs, sameEnd); diff != "" {
					t.Errorf("reported epochs, undisturbed (-) and interrupted (+):\n%s", diff)
				}
				if diff := cmp.Diff(want.Test, got.Test); diff != "" {
					t.Errorf("test metrics:\n%s", diff)
				}
			})
		}
	}
}

// A killed pod leaves what it has committed. In this test the pod dies at its n-th report: nothing later is written.
func TestAKilledTrialEndsInTheSameBytes(t *testing.T) {
	want := newTrial(t).undisturbed()
	for n := int64(1); n <= 6; n++ {
		t.Run(fmt.Sprintf("on report %d", n), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.spool = func(r wire.Report) error {
				if tr.attempt == 1 && r.Sequence == n {
					return errors.New("killed")
				}
				return nil
			}
			out := tr.runAgain()
			got := tr.end(out)
			if !got.sameFiles(want) {
				t.Error(otherFiles)
			}
			if diff := cmp.Diff(want.Epochs, got.Epochs, sameEnd); diff != "" {
				t.Errorf("reported epochs, undisturbed (-) and killed (+):\n%s", diff)
			}
		})
	}
}

func TestADamagedCheckpointIsNotResumed(t *testing.T) {
	tr := newTrial(t)
	want := tr.undisturbed()
	ctx, cancel := context.WithCancel(context.Background())
	model := tr.logistic()
	model.after = func(steps, _ int) {
		if steps == 13 {
			cancel()
		}
	}
	if _, err := tr.run(ctx, model); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	weights := filepath.Join(tr.store, "run-uid/d18/d18-a1-pod1/resume-e0002-s00000013", wire.WeightsFile)
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(weights, b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := tr.run(context.Background(), tr.logistic())
	if err != nil {
		t.Fatal(err)
	}
	if first := tr.reports[0]; first.Kind != wire.ReportResumed || first.Step != 10 {
		t.Errorf("resumed with %+v, want the checkpoint of step 10", first)
	}
	if got := tr.end(out); !bytes.Equal(got.Weights, want.Weights) || !bytes.Equal(got.Slots, want.Slots) {
		t.Error("weights or slots differ from those of an undisturbed trial")
	}
}

// If the store loses or damages the best after the last epoch, the next attempt resumes from before that best and finds
// it again.
func TestABestThatIsLostAtTheEndIsTrainedAgain(t *testing.T) {
	want := newTrial(t).undisturbed()
	for name, lose := range map[string]func(dir string) error{
		"damaged": func(dir string) error { return os.Truncate(filepath.Join(dir, wire.WeightsFile), 100) },
		"gone":    os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t)
			best, lost := "", ""
			tr.spool = func(r wire.Report) error {
				if r.Checkpoint != nil {
					best, _ = wire.LocalPath(r.Checkpoint.URI)
				}
				if r.Epoch == 4 && tr.attempt == 1 {
					lost = best
					return lose(best)
				}
				return nil
			}
			out := tr.runAgain()
			again, _ := wire.LocalPath(out.Best.Checkpoint.URI)
			if again == lost || !bytes.Equal(tr.read(again, wire.WeightsFile), want.Best) {
				t.Errorf("the best is %s, the lost one was %s", again, lost)
			}
			if diff := cmp.Diff(want.Test, out.Test); diff != "" {
				t.Errorf("test metrics:\n%s", diff)
			}
		})
	}
}

func TestAResumingWriterReportsTheHistoryAgain(t *testing.T) {
	tr := newTrial(t)
	stop := func(attempt, steps, _ int) bool { return attempt <= 2 && steps == 7 }
	var first []wire.Report
	tr.spool = func(r wire.Report) error {
		if tr.attempt == 1 {
			first = append(first, r)
		}
		return nil
	}
	tr.runInterrupted(stop)
	want := "resumed:2 ~resumed:1 ~started:0 ~epoch:1* ~epoch:2"
	if got := strings.ReplaceAll(story(tr.reports), "2*", "2"); !strings.HasPrefix(got, want) || tr.attempt != 3 {
		t.Errorf("attempt %d reports %q, want %q first", tr.attempt, got, want)
	}
	for _, again := range tr.reports {
		if again.Kind == wire.ReportEpoch && again.Epoch == 1 {
			// Attempt 2 has already reported it again; its origin is still attempt 1.
			if diff := cmp.Diff(&wire.Origin{Writer: "d18-a1-pod1", Sequence: 2}, again.ComputedBy); diff != "" {
				t.Errorf("origin:\n%s", diff)
			}
			ignore := cmpopts.IgnoreFields(wire.Report{}, "Attempt", "Writer", "Sequence", "ComputedBy")
			if diff := cmp.Diff(first[1], again, ignore); diff != "" {
				t.Errorf("reported first (-) and again (+):\n%s", diff)
			}
		}
	}
}

func TestAResumeUnderOtherNumericsSaysSo(t *testing.T) {
	tr := newTrial(t)
	ctx, cancel := context.WithCancel(context.Background())
	model := tr.logistic()
	model.after = func(steps, _ int) { cancel() }
	tr.run(ctx, model)
	tr.config.Manifest.Numerics.Threads = 4
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	if m := tr.reports[0].Message; !strings.Contains(m, "threads 4, was 1") {
		t.Errorf("the message %q does not say that 4 threads follow 1", m)
	}
}

func TestNaNAndInf(t *testing.T) {
	never := func(int) bool { return false }
	everySecond := func(spoil func(scores []float32)) func(int, []float32) {
		return func(call int, scores []float32) {
			if call%2 == 0 {
				spoil(scores)
			}
		}
	}
	for name, test := range map[string]struct {
		spoilStep   func(taken int) bool
		spoilScore  func(call int, scores []float32)
		want        string // the story
		wantError   string
		wantSkipped int
	}{
		"single steps are skipped": {
			spoilStep:   func(taken int) bool { return taken%4 == 0 },
			want:        "started:0 epoch:1* epoch:2 epoch:3 epoch:4 finished:4",
			wantSkipped: 5,
		},
		"an epoch of skipped steps ends the trial, and its best stays": {
			spoilStep: func(taken int) bool { return taken > 5 },
			want:      "started:0 epoch:1*",
			wantError: "diverged in epoch 2 after 5 steps, at learning rate",
		},
		"an epoch with a validation score that is NaN has no metrics": {
			spoilStep:  never,
			spoilScore: everySecond(func(scores []float32) { scores[3] = float32(math.NaN()) }),
			want:       "started:0 epoch:1* epoch:2 epoch:3 epoch:4 finished:4",
		},
		"an epoch with huge validation scores has no metrics": {
			spoilStep: never,
			spoilScore: everySecond(func(scores []float32) {
				for i := range scores {
					scores[i] *= 1e30
				}
			}),
			want: "started:0 epoch:1* epoch:2 epoch:3 epoch:4 finished:4",
		},
		"a trial without any metrics fails": {
			spoilStep:  never,
			spoilScore: func(_ int, scores []float32) { scores[0] = float32(math.Inf(1)) },
			want:       "started:0 epoch:1 epoch:2 epoch:3 epoch:4",
			wantError:  "no best",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t)
			model := tr.logistic()
			model.spoilStep, model.spoilScore = test.spoilStep, test.spoilScore
			out, err := tr.run(context.Background(), model)
			if got := simple(story(tr.reports)); got != simple(test.want) {
				t.Errorf("story %q, want %q", got, test.want)
			}
			var diverged *Diverged
			if (err != nil) != (test.wantError != "") {
				t.Errorf("error %v, want %q", err, test.wantError)
			}
			if err != nil && (!errors.As(err, &diverged) || !strings.Contains(err.Error(), test.wantError)) {
				t.Errorf("error %v, want %q", err, test.wantError)
			}
			if want := int64(20 - test.wantSkipped); err == nil && out.Step != want {
				t.Errorf("%d steps were applied, want %d", out.Step, want)
			}
		})
	}
}

// simple removes from a story which of the epochs after the first was a best.
func simple(story string) string {
	first, rest, _ := strings.Cut(story, "epoch:2")
	return first + "epoch:2" + strings.ReplaceAll(rest, "*", "")
}

func TestTwentySkippedStepsInARowEndATrial(t *testing.T) {
	tr := newTrial(t)
	tr.config.Trial.Hyperparameters.BatchSize = 2 // 20 steps an epoch
	model := tr.logistic()
	model.spoilStep = func(taken int) bool { return taken > 3 }
	_, err := tr.run(context.Background(), model)
	var diverged *Diverged
	if !errors.As(err, &diverged) || diverged.Epoch != 2 || diverged.Step != 3 {
		t.Errorf("error %v, want the trial to end in epoch 2, 20 skipped steps after step 3", err)
	}
}

func TestHeartbeatsComeWhileAnEpochIsLong(t *testing.T) {
	tr := newTrial(t)
	tr.step = 2 * time.Second // the loop reads the clock about once in a step
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	beats := 0
	for _, r := range tr.reports {
		if r.Kind == wire.ReportHeartbeat {
			beats++
			if r.Time.Sub(last) < heartbeat {
				t.Errorf("a heartbeat follows %v after the report before it", r.Time.Sub(last))
			}
		}
		last = r.Time
	}
	if beats == 0 {
		t.Error("no heartbeat")
	}
	c, _, _, err := checkpoint.FindResume(tr.config.Trial.Checkpoint.URI, "run-uid", "d18", tr.config.CheckResume)
	if err != nil || c == nil {
		t.Fatal(err)
	}
	if got := story(c.History); strings.Contains(got, "heartbeat") {
		t.Errorf("the history %q has heartbeats", got)
	}
}

func TestACheckpointOfOtherSettingsIsRefused(t *testing.T) {
	tr := newTrial(t)
	m := tr.config.Manifest
	m.Settings = tr.config.Trial
	if err := tr.config.CheckResume(m); err != nil {
		t.Fatalf("the trial's own manifest does not fit: %v", err)
	}
	for name, change := range map[string]func(*wire.Manifest){
		"architecture":             func(m *wire.Manifest) { m.Architecture.Depth = 50 },
		"learning rate":            func(m *wire.Manifest) { m.Settings.Hyperparameters.LearningRate *= 2 },
		"sampler weight":           func(m *wire.Manifest) { m.Settings.Imbalance.SamplerWeight = 0 },
		"labels":                   func(m *wire.Manifest) { m.Digests.Labels = "sha256:other" },
		"split":                    func(m *wire.Manifest) { m.Digests.Split = "sha256:other" },
		"channel order":            func(m *wire.Manifest) { m.Input.Channels = []string{"GRAY", "AM"} },
		"mean of the training set": func(m *wire.Manifest) { m.Input.Mean = []float64{1, 2} },
	} {
		other := m
		change(&other)
		if err := tr.config.CheckResume(other); err == nil {
			t.Errorf("a checkpoint with another %s fits", name)
		}
	}
}
