package loop

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// trial is the trial of a test: a small noisy data set, a checkpoint store, and as many attempts as the test makes.
type trial struct {
	t       *testing.T
	store   string
	data    Data
	config  Config
	attempt int
	clock   time.Time
	step    time.Duration // by how much the clock advances each time it is read
	spool   func(wire.Report) error
	worked  func(epoch int, what string)
	reports []wire.Report // of the last attempt
}

const imageSide, imageChannels = 4, 2

// newTrial returns a trial of toyRecipe that has made no attempt. Every third of its samples is a defect.
func newTrial(t *testing.T) *trial {
	random := rand.New(rand.NewPCG(1, 2))
	image := imageSide * imageSide * imageChannels
	d := Data{
		Size:     imageSide,
		Channels: []string{"AM", "GRAY"},
		Digests:  wire.Digests{Data: "sha256:d", Labels: "sha256:l", Split: "sha256:s"},
	}
	for i := range 90 {
		label := int32(0)
		if i%3 == 0 {
			label = 1
		}
		for k := range image {
			v := 100 + random.IntN(100)
			if label == 1 && k < 6 { // a defect is a little brighter here
				v += 60
			}
			d.Images = append(d.Images, uint8(v))
		}
		d.Labels = append(d.Labels, label)
		d.IDs = append(d.IDs, "s"+string(rune('a'+i/10))+string(rune('0'+i%10)))
		d.Groups = append(d.Groups, "p"+string(rune('a'+i/9)))
		switch {
		case i < 40:
			d.Train = append(d.Train, i)
		case i < 70:
			d.Validation = append(d.Validation, i)
		default:
			d.Test = append(d.Test, i)
		}
	}
	mean, std, _ := d.Normalisation()
	store := t.TempDir()
	config := Config{
		Trial: wire.Trial{
			Version:         wire.Version,
			Run:             wire.Run{Namespace: "default", Name: "erasers", UID: "run-uid"},
			Name:            "d18",
			Depth:           18,
			Threads:         1,
			Dataset:         wire.Dataset{URI: "file:///data", Split: wire.DefaultSplit()},
			Hyperparameters: toyRecipe(),
			Imbalance:       wire.Imbalance{SamplerWeight: 0.5},
			Checkpoint:      wire.DefaultCheckpointSettings(wire.LocalURI(store)),
		},
		Manifest: wire.Manifest{
			Architecture: wire.Architecture{Depth: 18},
			Classes:      []string{"normal", "defect"},
			Positive:     "defect",
			Input:        wire.Input{Channels: d.Channels, Size: imageSide, Mean: mean, Std: std},
			Digests:      d.Digests,
			Numerics:     wire.Numerics{TensorFlow: "none", Threads: 1, Precision: "float32", Device: "cpu"},
		},
	}
	return &trial{
		t:      t,
		store:  store,
		data:   d,
		config: config,
		clock:  time.Unix(1_700_000_000, 0),
		step:   time.Millisecond,
	}
}

// run makes one attempt, which resumes from the newest checkpoint of the trial if there is one.
func (tr *trial) run(ctx context.Context, model Stepper) (Outcome, error) {
	tr.t.Helper()
	return tr.runFrom(ctx, model, tr.find(tr.config.Trial.Run.UID, tr.config.CheckResume))
}

// find returns the checkpoint that a run left of the trial and that fits, or nil.
func (tr *trial) find(run string, fits func(wire.Manifest) error) *checkpoint.Checkpoint {
	tr.t.Helper()
	from, _, refused, err := checkpoint.FindResume(tr.config.Trial.Checkpoint.URI, run, "d18", fits)
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, r := range refused {
		tr.t.Logf("refused %s: %v", r.Dir, r.Why)
	}
	return from
}

// runFrom makes one attempt from this checkpoint, or from the beginning if it is nil.
func (tr *trial) runFrom(ctx context.Context, model Stepper, from *checkpoint.Checkpoint) (Outcome, error) {
	tr.t.Helper()
	tr.attempt++
	c := tr.config
	c.Trial.Attempt = tr.attempt
	c.Writer = c.Trial.Writer("pod" + string(rune('0'+tr.attempt)))
	at := c.Trial.Checkpoint
	store, err := checkpoint.NewWriter(at.URI, c.Trial.Run.UID, "d18", c.Writer, at.KeepLast, nil)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.reports = nil
	var mu sync.Mutex
	return Run(ctx, c, model, tr.data, from, World{
		Store: store,
		Spool: func(r wire.Report) error {
			tr.reports = append(tr.reports, r)
			if tr.spool != nil {
				return tr.spool(r)
			}
			return nil
		},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			tr.clock = tr.clock.Add(tr.step)
			return tr.clock
		},
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Worked: tr.worked,
	})
}

// logistic returns an untrained model.
func (tr *trial) logistic() *logistic {
	l := newLogistic(imageSide * imageSide * imageChannels)
	l.averages = tr.config.Trial.Hyperparameters.EMA > 0
	return l
}

// story returns one word for each report, its kind and its epoch: "started:0 epoch:1* epoch:2 finished:4". A star
// marks a report that names a checkpoint, and a tilde a report that was first sent by another writer.
func story(reports []wire.Report) string {
	var words []string
	for _, r := range reports {
		word := string(r.Kind) + ":" + string(rune('0'+r.Epoch))
		if r.Checkpoint != nil {
			word += "*"
		}
		if r.ComputedBy != nil {
			word = "~" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// toyRecipe uses almost every setting whose state a resumed trial must restore: a head phase, averages, frozen batch
// statistics and augmentation, but no patience.
func toyRecipe() wire.Hyperparameters {
	h, _ := wire.Recipe(wire.PresetDefault, false)
	h.Epochs, h.BatchSize, h.ImageSize, h.LearningRate, h.WarmupEpochs, h.Seed = 4, 8, 32, 0.02, 1, 5
	h.HeadEpochs, h.BatchNorm, h.EMA, h.Augment = 1, wire.BatchNormFreeze, 0.9, wire.Augment{Gain: 0.1}
	return h
}
