package loop

import (
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

// next turns the trial into one of a newer run. The function that it returns makes the first attempt there, which
// resumes from the checkpoints of the present run.
func (tr *trial) next(uid string, epochs int) (resume func(context.Context, Stepper) (Outcome, error)) {
	tr.t.Helper()
	older := tr.config.Trial.Run.UID
	tr.config.Trial.Run.UID, tr.config.Trial.Hyperparameters.Epochs = uid, epochs
	tr.attempt = 0
	return func(ctx context.Context, model Stepper) (Outcome, error) {
		tr.t.Helper()
		from := tr.find(older, tr.config.CheckResumeFromOlderRun)
		if from == nil {
			tr.t.Fatalf("run %s has left no checkpoint that %s can resume from", older, uid)
		}
		return tr.runFrom(ctx, model, from)
	}
}

// With a constant learning rate no step depends on the number of epochs. A trial of three epochs that another run
// extends to four therefore ends as a trial of four.
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
	if !got.sameFiles(want) {
		t.Error(otherFiles)
	}
	if diff := cmp.Diff(want.Epochs, got.Epochs, append(sameEnd, ignoreRun)); diff != "" {
		t.Errorf("reported epochs, undisturbed (-) and extended (+):\n%s", diff)
	}
}

var ignoreRun = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".RunUID" }, cmp.Ignore())

func TestANewerRunReportsTheOlderRunsHistory(t *testing.T) {
	tr := newTrial(t)
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	first := tr.reports
	var best wire.CheckpointRef // the last one that a report names
	for _, r := range first {
		if r.Checkpoint != nil {
			best = *r.Checkpoint
		}
	}
	resume := tr.next("newer-uid", 6)
	if _, err := resume(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	const want = "resumed:4 ~started:0 ~epoch:1 ~epoch:2 ~epoch:3 ~epoch:4 epoch:5 epoch:6 finished:6"
	if got := strings.ReplaceAll(story(tr.reports), "*", ""); got != want {
		t.Errorf("the story is %q, want %q", got, want)
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
			if want != nil && *want == best { // the newer run has its own copy of the best
				uri := strings.Replace(want.URI, "/run-uid/", "/newer-uid/", 1)
				want = &wire.CheckpointRef{URI: uri, Digest: r.Checkpoint.Digest}
			}
			if diff := cmp.Diff(want, r.Checkpoint); diff != "" {
				t.Errorf("the checkpoint that report %d names, before and now:\n%s", i, diff)
			}
		}
	}
	for _, part := range []string{"in run erasers (run-uid)", "a cosine over 4 epochs and now follows one over 6"} {
		if m := tr.reports[0].Message; !strings.Contains(m, part) {
			t.Errorf("the first report's message is %q, without %q", m, part)
		}
	}
}

// The learning rate continues as in a trial of the new length, not from where the older trial's rate ended.
func TestACosineIsStretchedOverTheNewEpochs(t *testing.T) {
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

// A newer run saves its own checkpoints before its first step. Its next attempt, and a run after it, then need nothing
// of the older run, which may still run and remove its checkpoints, or be pruned.
func TestAThirdRunResumesFromASecondThatHadNothingToTrain(t *testing.T) {
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
	own, err := checkpoint.Load(second.Best.Checkpoint)
	if m := own.Manifest; err != nil || m.Run.UID != "second-uid" || m.Epoch != first.Best.Epoch {
		t.Errorf("the second run's best %+v: error %v", second.Best, err)
	}
	second.Best.Checkpoint = first.Best.Checkpoint
	if got := strings.ReplaceAll(story(tr.reports), "*", ""); !strings.HasSuffix(got, "~epoch:4 finished:4") {
		t.Errorf("the second run reports %q", got)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("outcome of the first (-) and of the second (+):\n%s", diff)
	}
	resume := tr.next("third-uid", 5)
	ctx, cancel := context.WithCancel(context.Background())
	model := tr.logistic()
	model.after = func(steps, _ int) { cancel() }
	if _, err := resume(ctx, model); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	out, err := tr.run(context.Background(), tr.logistic()) // this run's second attempt finds this run's own checkpoint
	if err != nil || tr.reports[0].Step != 21 || out.Epoch != 5 {
		t.Errorf("error %v, first report %+v, outcome %+v", err, tr.reports[0], out)
	}
}

func TestAnOlderRunsCheckpointMustHaveTheSameSettings(t *testing.T) {
	tr := newTrial(t)
	older := tr.config.Manifest
	tr.config.Trial.Hyperparameters.Seed = 1 << 53
	older.Settings = tr.config.Trial
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // the end of the error; "" if the checkpoint fits
	}{
		"the same": {
			change: func(*Config) {},
		},
		"more epochs": {
			change: func(c *Config) { c.Trial.Hyperparameters.Epochs = 9 },
		},
		"another patience": {
			change: func(c *Config) { c.Trial.Hyperparameters.Patience = 3 },
		},
		"other settings that change no weight": {
			change: func(c *Config) { c.Trial.Checkpoint.KeepLast, c.Trial.StallSeconds = 5, 60 },
		},
		"fewer epochs": {
			change: func(c *Config) { c.Trial.Hyperparameters.Epochs = 3 },
			want:   "hyperparameters.epochs 4, now 3",
		},
		"several at once, in order": {
			change: func(c *Config) {
				c.Trial.Hyperparameters.LearningRate, c.Trial.Imbalance.LossWeight = 0.01, 1
				c.Manifest.Architecture.Depth = 50
			},
			want: "architecture.depth 18, now 50; hyperparameters.learningRate 0.02, now 0.01; " +
				"imbalance.lossWeight 0, now 1",
		},
		"one augmentation": {
			change: func(c *Config) { c.Trial.Hyperparameters.Augment.Gain = 0.2 },
			want:   "hyperparameters.augment.gain 0.1, now 0.2",
		},
		"a seed that is the same only in float64": {
			change: func(c *Config) { c.Trial.Hyperparameters.Seed = 1<<53 + 1 },
			want:   "hyperparameters.seed 9007199254740992, now 9007199254740993",
		},
		"an overlay where there was none": {
			change: func(c *Config) { c.Manifest.Digests.Overlay = "sha256:o" },
			want:   "data.overlay not set, now sha256:o",
		},
	} {
		c := tr.config
		test.change(&c)
		got, want := "", ""
		if test.want != "" {
			want = "it was trained on other settings: " + test.want
		}
		if err := c.CheckResumeFromOlderRun(older); err != nil {
			got = err.Error()
			if other := (*wire.OtherSettingsError)(nil); !errors.As(err, &other) {
				t.Errorf("%s: the error %v is not a %T", name, err, other)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
