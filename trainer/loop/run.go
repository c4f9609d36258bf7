package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// Config is what a trial is told before it starts.
type Config struct {
	Trial    wire.Trial
	Writer   string
	Manifest wire.Manifest // what all checkpoints of the trial have in common; Run fills in the rest
	Note     string        // for people, in the trial's first report: what they must know about the data
}

// CheckResume returns a *wire.OtherSettingsError if the trial may not resume from an earlier attempt's checkpoint with this manifest.
func (c Config) CheckResume(m wire.Manifest) error { return m.CheckResume(c.settled()) }

// CheckResumeFromOlderRun is CheckResume for a checkpoint of an older run.
func (c Config) CheckResumeFromOlderRun(m wire.Manifest) error {
	return m.CheckResumeFromOlderRun(c.settled())
}

// settled returns the manifest with the trial's settings in it, as the trial's checkpoints have it.
func (c Config) settled() wire.Manifest {
	m := c.Manifest
	m.Settings = c.Trial
	return m
}

// World is what a run touches outside of itself.
type World struct {
	Store    *checkpoint.Writer
	Spool    func(wire.Report) error // keeps a report until it is delivered; must not wait for the network
	Now      func() time.Time
	Log      *slog.Logger
	Progress func(Progress) // may be nil; called after every step

	// Worked, which may be nil, is told what has just come to an end and how many epochs are finished: for a watchdog. It is called
	// from several goroutines.
	Worked func(epoch int, what string)
}

// Progress is where a run stands, for a progress bar.
type Progress struct {
	Epoch, Epochs   int // the one being trained, from 1
	Step, Steps     int // of this epoch
	Loss            float32
	ImagesPerSecond float64
}

// Outcome is what a run came to.
type Outcome struct {
	Epoch int   // finished epochs
	Step  int64 // optimizer steps
	Best  *wire.BestSoFar
	Test  *wire.Metrics // the best, on the test split; nil unless the run finished and there is one
}

var (
	// ErrInterrupted says that the context ended; a resume checkpoint holds everything.
	ErrInterrupted = errors.New("interrupted")
	// ErrNotKept says that a checkpoint or a report could not be written.
	ErrNotKept = errors.New("what was learned cannot be kept")
)

// Diverged says that training ran into NaN or Inf and would do so again.
type Diverged struct {
	Epoch        int   // the one being trained
	Step         int64 // applied optimizer steps so far
	LearningRate float64
	Why          string
}

func (d *Diverged) Error() string {
	return fmt.Sprintf("training diverged in epoch %d after %d steps, at learning rate %.3g: %s; a lower learning rate or more warm-up epochs may help",
		d.Epoch, d.Step, d.LearningRate, d.Why)
}

// Run trains a trial from its beginning, or from where a resume checkpoint left it. When ctx ends it finishes the step at hand,
// saves a resume checkpoint and returns ErrInterrupted.
func Run(ctx context.Context, cfg Config, model Stepper, data Data, from *checkpoint.Checkpoint, world World) (Outcome, error) {
	if err := data.check(); err != nil {
		return Outcome{}, err
	}
	r := newRun(cfg, model, data, world)
	defer r.journal.finish()
	if err := r.begin(from); err != nil {
		return Outcome{}, err
	}
	for !r.over() {
		if err := r.enter(ctx); err != nil {
			return r.stop(err)
		}
		if err := r.train(ctx); err != nil {
			return r.stop(err)
		}
		result, err := r.validate(ctx)
		if err != nil {
			return r.stop(err)
		}
		if err := r.conclude(result); err != nil {
			return r.stop(err)
		}
	}
	return r.finish(ctx)
}

// run is one trial being trained by one pod.
type run struct {
	Config
	World
	model   Stepper
	data    Data
	sampler sampler
	weights [2]float32 // of a class in the loss
	shift   float64    // of a score, by sampler and weights
	epochs  int
	steps   int // an epoch
	journal *journal

	epoch      int              // finished
	step       int64            // applied optimizer steps
	phaseStep  int64            // of these, the phase's
	skipped    int              // steps whose gradients were not finite
	scale      wire.LossScale   // used by float16 alone
	unfinished wire.Unfinished  // the epoch being trained
	best       *wire.EpochValue // nil before the first epoch that could be measured
	saved      int              // position that the last resume checkpoint holds

	began      time.Time     // this process' part of the epoch
	trained    int           // images in it
	waited     time.Duration // in which no batch was ready
	seconds    float64       // that training them took, once it is over
	lastReport time.Time     // when the last report was made
}

func newRun(cfg Config, model Stepper, data Data, world World) *run {
	h, imbalance := cfg.Trial.Hyperparameters, cfg.Trial.Imbalance
	if world.Worked == nil {
		world.Worked = func(int, string) {}
	}
	counts := data.counts(data.Train)
	weight := lossWeight(counts, imbalance)
	return &run{
		Config: cfg, World: world, model: model, data: data,
		sampler: newSampler(data, imbalance.SamplerWeight, h.Seed),
		weights: [2]float32{1, float32(weight)},
		shift:   score.PriorShift(counts[0], counts[1], imbalance.SamplerWeight, 0) + math.Log(weight),
		scale:   wire.LossScale{Value: firstScale},
		epochs:  h.Epochs,
		steps:   (len(data.Train) + h.BatchSize - 1) / h.BatchSize,
		journal: newJournal(cfg, world),
	}
}
