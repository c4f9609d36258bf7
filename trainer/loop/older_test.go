package loop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// next makes the trial one of a newer run, which goes on from what the present one has left.
func (tr *trial) next(uid string, epochs int) (goOn func(context.Context, Stepper) (Outcome, error)) {
	tr.t.Helper()
	older := tr.config.Trial.Run.UID
	tr.config.Trial.Run.UID, tr.config.Trial.Hyperparameters.Epochs = uid, epochs
	tr.attempt = 0
	return func(ctx context.Context, model Stepper) (Outcome, error) {
		tr.t.Helper()
		from := tr.find(older, tr.config.CheckResumeFromOlderRun)
		if from == nil {
			tr.t.Fatalf("run %s has left nothing that %s can go on from", older, uid)
		}
		return tr.runFrom(ctx, model, from)
	}
}

// With a constant rate nothing depends on how many epochs there will be: a trial of three that another run extends to four ends as
// one of four.
func TestATrialThatAnotherRunExtendsEndsInTheSameBytes(t *testing.T) {
	tr := newTrial(t)
	tr.config.Trial.Hyperparameters.Schedule = wire.Constant
	want := tr.undisturbed()
	tr.config.Trial.Hyperparameters.Epochs = 3
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	out, err := tr.next("newer-uid", 4)(context.Background(), tr.logistic())
	if err != nil {
		t.Fatal(err)
	}
	got := tr.end(out)
	if !bytes.Equal(got.Weights, want.Weights) || !bytes.Equal(got.Slots, want.Slots) || !bytes.Equal(got.Best, want.Best) {
		t.Error("weights, slots or the best's weights differ from an undisturbed trial's")
	}
	if diff := cmp.Diff(want.Epochs, got.Epochs, append(sameEnd, ignoreRun)); diff != "" {
		t.Errorf("epochs told, undisturbed (-) and extended (+):\n%s", diff)
	}
}

var ignoreRun = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".RunUID" }, cmp.Ignore())

func TestANewerRunTellsAnOlderOnesHistoryAsItsOwn(t *testing.T) {
	tr := newTrial(t)
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	first := tr.reports
	var best wire.CheckpointRef // the last that is named
	for _, r := range first {
		if r.Checkpoint != nil {
			best = *r.Checkpoint
		}
	}
	goOn := tr.next("newer-uid", 6)
	if _, err := goOn(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(story(tr.reports), "*", ""), "resumed:4 ~started:0 ~epoch:1 ~epoch:2 ~epoch:3 ~epoch:4 epoch:5 epoch:6 finished:6"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	for i, r := range tr.reports {
		if err := r.Validate(); err != nil || r.RunUID != "newer-uid" || r.Epochs != 6 || r.Sequence != int64(i+1) {
			t.Errorf("report %d: run %s, %d epochs, sequence %d, error %v", i, r.RunUID, r.Epochs, r.Sequence, err)
		}
		if i >= 1 && i <= 5 {
			if diff := cmp.Diff(&wire.Origin{Writer: "d18-a1-pod1", Sequence: int64(i)}, r.ComputedBy); diff != "" {
				t.Errorf("origin of report %d:\n%s", i, diff)
			}
			want := first[i-1].Checkpoint
			if want != nil && *want == best { // the best is the newer run's own now
				want = &wire.CheckpointRef{URI: strings.Replace(want.URI, "/run-uid/", "/newer-uid/", 1), Digest: r.Checkpoint.Digest}
			}
			if diff := cmp.Diff(want, r.Checkpoint); diff != "" {
				t.Errorf("the checkpoint that report %d names, before and now:\n%s", i, diff)
			}
		}
	}
	if m := tr.reports[0].Message; !strings.Contains(m, "in run erasers (run-uid)") || !strings.Contains(m, "a cosine over 4 epochs and now follows one over 6") {
		t.Errorf("the first report says %q", m)
	}
}

// The rate goes on where a trial of the new length would be, not where the older one's had come down to.
func TestACosineIsStretched(t *testing.T) {
	tr := newTrial(t)
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	w := &watcher{logistic: tr.logistic()}
	if _, err := tr.next("newer-uid", 6)(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	var got, want []float32
	for position := 20; position < 30; position++ {
		got = append(got, w.steps[position-20].LearningRate)
		want = append(want, float32(learningRate(tr.config.Trial.Hyperparameters, 5, position)))
	}
	if diff := cmp.Diff(want, got); diff != "" || got[0] < 0.004 {
		t.Errorf("learning rates:\n%s", diff)
	}
}

// A newer run's own checkpoints are there before its first step, so that its next attempt, and a run after it, need nothing that the older
// one has left: that one may still be running and remove it, or be pruned.
func TestAThirdRunGoesOnFromASecondThatHadNothingToDo(t *testing.T) {
	tr := newTrial(t)
	first, err := tr.run(context.Background(), tr.logistic())
	if err != nil {
		t.Fatal(err)
	}
	second, err := tr.next("second-uid", 4)(context.Background(), tr.logistic())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(tr.store, "run-uid")); err != nil {
		t.Fatal(err)
	}
	if own, err := checkpoint.Load(second.Best.Checkpoint); err != nil || own.Manifest.Run.UID != "second-uid" || own.Manifest.Epoch != first.Best.Epoch {
		t.Errorf("the second run's best %+v: error %v", second.Best, err)
	}
	second.Best.Checkpoint = first.Best.Checkpoint
	if got := strings.ReplaceAll(story(tr.reports), "*", ""); !strings.HasSuffix(got, "~epoch:4 finished:4") {
		t.Errorf("the second run tells %q", got)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("outcome of the first (-) and of the second (+):\n%s", diff)
	}
	goOn := tr.next("third-uid", 5)
	ctx, cancel := context.WithCancel(context.Background())
	model := tr.logistic()
	model.after = func(steps, _ int) { cancel() }
	if _, err := goOn(ctx, model); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	out, err := tr.run(context.Background(), tr.logistic()) // its second attempt finds its own
	if err != nil || tr.reports[0].Step != 21 || out.Epoch != 5 {
		t.Errorf("error %v, first report %+v, outcome %+v", err, tr.reports[0], out)
	}
}

func TestAnOlderRunsCheckpointMustBeOfTheSameSettings(t *testing.T) {
	tr := newTrial(t)
	older := tr.config.Manifest
	tr.config.Trial.Hyperparameters.Seed = 1 << 53
	older.Settings = tr.config.Trial
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // "": it fits
	}{
		"the same":             {func(*Config) {}, ""},
		"more epochs":          {func(c *Config) { c.Trial.Hyperparameters.Epochs = 9 }, ""},
		"another patience":     {func(c *Config) { c.Trial.Hyperparameters.Patience = 3 }, ""},
		"another store's rule": {func(c *Config) { c.Trial.Checkpoint.KeepLast, c.Trial.StallSeconds = 5, 60 }, ""},
		"fewer epochs": {func(c *Config) { c.Trial.Hyperparameters.Epochs = 3 },
			"it was trained on other settings: hyperparameters.epochs 4, now 3"},
		"several at once, in order": {func(c *Config) {
			c.Trial.Hyperparameters.LearningRate, c.Trial.Imbalance.LossWeight, c.Manifest.Architecture.Depth = 0.01, 1, 50
		}, "it was trained on other settings: architecture.depth 18, now 50; hyperparameters.learningRate 0.02, now 0.01; imbalance.lossWeight 0, now 1"},
		"one augmentation": {func(c *Config) { c.Trial.Hyperparameters.Augment.Gain = 0.2 },
			"it was trained on other settings: hyperparameters.augment.gain 0.1, now 0.2"},
		"a seed that float64 cannot tell from it": {func(c *Config) { c.Trial.Hyperparameters.Seed = 1<<53 + 1 },
			"it was trained on other settings: hyperparameters.seed 9007199254740992, now 9007199254740993"},
		"an overlay that was not there": {func(c *Config) { c.Manifest.Digests.Overlay = "sha256:o" },
			"it was trained on other settings: data.overlay not set, now sha256:o"},
	} {
		c := tr.config
		test.change(&c)
		got := ""
		if err := c.CheckResumeFromOlderRun(older); err != nil {
			got = err.Error()
			if other := (*wire.OtherSettingsError)(nil); !errors.As(err, &other) {
				t.Errorf("%s: %v is not a %T", name, err, other)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
