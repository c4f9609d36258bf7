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

// Config describes a trial before it starts.
type Config struct {
	Trial    wire.Trial
	Writer   string        // the writer of the checkpoints and reports
	Manifest wire.Manifest // the fields that all checkpoints of the trial share; Run fills in the others
	Note     string        // what people must know about data and settings; it goes into the trial's first report
}

// CheckResume returns a *wire.OtherSettingsError if the trial may not resume from an earlier attempt's checkpoint with
// this manifest.
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

// World holds everything outside this package that training a trial uses.
type World struct {
	Store    *checkpoint.Writer
	Spool    func(wire.Report) error // stores a report until it is delivered; must not wait for the network
	Now      func() time.Time
	Log      *slog.Logger
	Progress func(Progress) // is called after every step; may be nil

	// Worked is called whenever a piece of work has ended, for a watchdog. epoch is the number of finished epochs, and
	// what names the work. It is called from several goroutines. It may be nil.
	Worked func(epoch int, what string)
}

// Progress is the position of a trial, for a progress bar.
type Progress struct {
	Epoch, Epochs   int // Epoch is the one that is being trained, from 1
	Step, Steps     int // of this epoch
	Loss            float32
	ImagesPerSecond float64
}

// Outcome is what training a trial has led to.
type Outcome struct {
	Epoch int   // finished epochs
	Step  int64 // applied optimizer steps
	Best  *wire.BestSoFar
	Test  *wire.Metrics // of the best on the test split; nil if the trial has not finished or there is no test split
}

var (
	// ErrInterrupted says that the context ended. A resume checkpoint holds the whole state of the trial.
	ErrInterrupted = errors.New("interrupted")
	// ErrStore says that a checkpoint or a report could not be written, or that a best checkpoint could not be read.
	ErrStore = errors.New("the checkpoint store or the spool of reports failed")
)

// Diverged is the error of a training that met NaN or Inf and would meet them again.
type Diverged struct {
	Epoch        int   // the epoch that was being trained
	Step         int64 // applied optimizer steps so far
	LearningRate float64
	Why          string
}

func (d *Diverged) Error() string {
	return fmt.Sprintf("training diverged in epoch %d after %d steps, at learning rate %.3g: %s; "+
		"a lower learning rate or more warm-up epochs may help", d.Epoch, d.Step, d.LearningRate, d.Why)
}

// Run trains a trial to its end: from its beginning if from is nil, else from that resume checkpoint. When ctx ends Run
// finishes the present step, saves a resume checkpoint and returns ErrInterrupted. It returns *Diverged if training
// diverged, and an error that wraps ErrStore if the store or the spool failed.
func Run(
	ctx context.Context, cfg Config, model Stepper, data Data, from *checkpoint.Checkpoint, world World,
) (Outcome, error) {
	if err := data.check(); err != nil {
		return Outcome{}, err
	}
	t := newTraining(cfg, model, data, world)
	defer t.journal.finish()
	if err := t.begin(from); err != nil {
		return Outcome{}, err
	}
	for !t.over() {
		if err := t.enterMainPhase(ctx); err != nil {
			return t.stop(err)
		}
		if err := t.train(ctx); err != nil {
			return t.stop(err)
		}
		result, err := t.validate(ctx)
		if err != nil {
			return t.stop(err)
		}
		if err := t.conclude(result); err != nil {
			return t.stop(err)
		}
	}
	return t.finish(ctx)
}

// training is the state of one trial while one process trains it.
type training struct {
	Config
	World
	model         Stepper
	data          Data
	sampler       sampler
	classWeights  [2]float32 // the weight of each class in the loss
	shift         float64    // by how much the sampler and the class weights raise every score
	epochs        int
	stepsPerEpoch int
	journal       *journal

	epoch         int              // finished epochs
	step          int64            // applied optimizer steps
	phaseStep     int64            // applied optimizer steps of the present phase
	skipped       int              // steps whose gradients were not finite
	lossScale     wire.LossScale   // used by float16 alone
	unfinished    wire.Unfinished  // the epoch that is being trained
	best          *wire.EpochValue // nil before the first epoch that could be measured
	savedPosition int              // the position that the last resume checkpoint holds

	// Measurements of the present epoch, or of the part of it that this process trains.
	began         time.Time
	trainedImages int
	inputWait     time.Duration // how long steps waited for a batch
	trainSeconds  float64       // how long training took; set when the last step has ended
	lastReport    time.Time     // when the last report was made
}

// newTraining returns a trial at its beginning, with a journal that must be finished.
func newTraining(cfg Config, model Stepper, data Data, world World) *training {
	h, imbalance := cfg.Trial.Hyperparameters, cfg.Trial.Imbalance
	if world.Worked == nil {
		world.Worked = func(int, string) {}
	}
	counts := data.counts(data.Train)
	weight := lossWeight(counts, imbalance)
	return &training{
		Config:        cfg,
		World:         world,
		model:         model,
		data:          data,
		sampler:       newSampler(data, imbalance.SamplerWeight, h.Seed),
		classWeights:  [2]float32{1, float32(weight)},
		shift:         score.PriorShift(counts[0], counts[1], imbalance.SamplerWeight, 0) + math.Log(weight),
		lossScale:     wire.LossScale{Value: firstScale},
		epochs:        h.Epochs,
		stepsPerEpoch: (len(data.Train) + h.BatchSize - 1) / h.BatchSize,
		journal:       newJournal(cfg, world),
	}
}
