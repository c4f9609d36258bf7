package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

const fitHelp = `Train one depth on this machine, without a cluster.

The checkpoints go into --out. If you start the same command again, it resumes from the newest checkpoint, and ends
as if it had never been stopped. Therefore you may stop it at any time, with Ctrl-C or with kill.

A setting without a flag has the preset's value. docs/training.md explains each setting.`

const fitExample = `  plumb dataset synth --out erasers --samples 480 --prevalence 0.3 --min-severity 0.7 \
      --label-noise 0 --seed 7
  plumbline-trainer fit --data erasers --depth 18 --out out --epochs 8 --image-size 64 --batch-size 16`

// fitOptions holds the flags of fit.
type fitOptions struct {
	data, out, corrections string
	depth, threads         int
	gpu                    bool
	pretrained             wire.Pretrained
	recipe                 recipeFlags
	split                  wire.Split
}

// recipeFlags are the settings of a preset that have a flag.
type recipeFlags struct {
	hyper     wire.Hyperparameters
	imbalance wire.Imbalance
}

// bind adds a flag for each setting. The default of a flag is the setting's present value.
func (r *recipeFlags) bind(f *pflag.FlagSet) {
	h, a, i := &r.hyper, &r.hyper.Augment, &r.imbalance
	text := func(p *string, name, help string) { f.StringVar(p, name, *p, help) }
	whole := func(p *int, name, help string) { f.IntVar(p, name, *p, help) }
	number := func(p *float64, name, help string) { f.Float64Var(p, name, *p, help) }

	text(&h.Preset, "preset", "the preset of all settings without a flag: "+strings.Join(wire.Presets, ", "))
	whole(&h.Epochs, "epochs", "number of epochs, those of the head phase included")
	whole(&h.HeadEpochs, "head-epochs",
		"number of epochs that train only the head and the first convolution (from pretrained weights: 3)")
	whole(&h.BatchSize, "batch-size", "number of samples in a step")
	whole(&h.Accumulate, "accumulate", "number of parts that a batch is divided into, to save memory")
	whole(&h.ImageSize, "image-size", "side length of the images in pixels")
	text(&h.Optimizer, "optimizer", strings.Join(wire.Optimizers, " or ")+", computed as PyTorch computes it")
	number(&h.LearningRate, "learning-rate", "peak learning rate of the head")
	number(&h.BackboneFactor, "backbone-factor",
		"learning rate of the last stage, as a share of the head's (from pretrained weights: 0.1)")
	number(&h.LayerDecay, "layer-decay",
		"learning rate of each stage, as a share of that of the next stage (from pretrained weights: 0.8)")
	text(&h.Schedule, "schedule", "course of the learning rate after the warm-up: "+strings.Join(wire.Schedules, ", "))
	whole(&h.WarmupEpochs, "warmup-epochs",
		"number of epochs in which the learning rate rises to its peak; must be below the epochs after the head phase")
	number(&h.Momentum, "momentum", "momentum of sgd")
	number(&h.Beta1, "beta1", "decay of adamw's average of gradients")
	number(&h.Beta2, "beta2", "decay of adamw's average of squared gradients")
	number(&h.Epsilon, "epsilon", "epsilon of adamw")
	number(&h.WeightDecay, "weight-decay", "weight decay of kernels and matrices")
	number(&h.ClipNorm, "clip-norm", "global norm to which gradients are scaled down; 0: no limit")
	number(&h.LabelSmoothing, "label-smoothing",
		"share of each label that is spread over both classes; probabilities are then not calibrated")
	number(&h.EMA, "ema", "decay of averaged weights, which are then evaluated and saved; 0: no averages")
	text(&h.BatchNorm, "batch-norm", "batch statistics of the main phase: "+
		strings.Join(wire.BatchNorms, " or ")+" (from pretrained weights: freeze)")
	number(&a.Shift, "augment-shift", "largest shift of a training image, as a share of its side")
	number(&a.Rotate, "augment-rotate", "largest rotation of a training image, in degrees")
	number(&a.Gain, "augment-gain", "largest change of a channel's contrast, as a share")
	number(&a.Offset, "augment-offset", "largest change of a channel's brightness, in its standard deviations")
	number(&a.ChannelDropout, "augment-channel-dropout", "probability that a channel is blanked")
	number(&a.Noise, "augment-noise", "standard deviation of added noise, in the channel's standard deviations")
	text(&h.Precision, "precision", "number format of the computation: "+strings.Join(wire.Precisions, " or "))
	whole(&h.Patience, "patience", "training ends after this many epochs without a better one; 0: it trains all epochs")
	f.Int64Var(&h.Seed, "seed", h.Seed, "seed of initial weights, order of samples, and augmentation")
	number(&i.SamplerWeight, "sampler-weight",
		"exponent a: a sample of a class with n samples is drawn with weight n^-a")
	number(&i.LossWeight, "loss-weight", "exponent b: a sample of a class with n samples counts n^-b in the loss")
	number(&i.EffectiveNumber, "effective-number",
		"β, replaces --loss-weight: a sample of a class with n samples counts (1-β)/(1-β^n) in the loss")
}

// resolve returns the complete settings: those of the preset, replaced by the flags that were given.
func (r recipeFlags) resolve(given *pflag.FlagSet, pretrained bool) (recipeFlags, error) {
	var full recipeFlags
	full.hyper, full.imbalance = wire.Recipe(r.hyper.Preset, pretrained)
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	full.bind(all)
	var errs []error
	given.Visit(func(f *pflag.Flag) {
		if all.Lookup(f.Name) != nil {
			errs = append(errs, all.Set(f.Name, f.Value.String()))
		}
	})
	full.hyper.FitEpochs(given.Changed("head-epochs"), given.Changed("warmup-epochs"))
	return full, errors.Join(errs...)
}

func newFitCommand(p *program) *cobra.Command {
	o := fitOptions{split: wire.DefaultSplit()}
	o.recipe.hyper, o.recipe.imbalance = wire.Recipe(wire.PresetDefault, false)
	cmd := &cobra.Command{
		Use:     "fit --data DIR --depth N --out DIR",
		Short:   "Train one depth on this machine",
		Long:    fitHelp,
		Example: fitExample,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", dataFlag)
	f.StringVar(&o.out, "out", "", "directory to write checkpoints to; created if it does not exist")
	f.IntVar(&o.depth, "depth", 0, fmt.Sprintf("ResNet depth, one of %v", wire.Depths))
	f.StringVar(&o.corrections, "corrections", "", correctionsFlag)
	f.IntVar(&o.threads, "threads", runtime.NumCPU(),
		threadsFlag+"; a training that resumes with another number gives slightly different results")
	f.BoolVar(&o.gpu, "gpu", false, "train on a GPU; fails if TensorFlow finds none")
	f.StringVar(&o.pretrained.URI, "pretrained", "",
		".safetensors file of the weights to start from: of this depth, with torchvision's or timm's names")
	f.StringVar(&o.pretrained.InputAdaptation, "input-adaptation", wire.AdaptTile,
		"how the first convolution of --pretrained is adapted to the channels: "+strings.Join(wire.Adaptations, ", "))
	f.StringToStringVar(&o.pretrained.Colours, "colours", nil,
		"for --input-adaptation mapped: the colour whose weights each channel gets, such as AM=mean,R=R,G=G")
	o.recipe.bind(f)
	f.Float64Var(&o.split.Test, "test", o.split.Test,
		"share of samples in the test split, which is scored once, at the end")
	f.Float64Var(&o.split.Validation, "validation", o.split.Validation,
		"share of samples in the validation split, which selects epoch and threshold")
	f.StringVar(&o.split.GroupBy, "group-by", o.split.GroupBy,
		"package: the samples of one package stay on the same side of the split; none: samples are split one by one")
	f.Int64Var(&o.split.Seed, "split-seed", o.split.Seed, "seed of the split")
	require(cmd, "data", "out", "depth")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.recipe, err = o.recipe.resolve(cmd.Flags(), o.pretrained.URI != ""); err != nil {
			return settingsError(err)
		}
		return fit(cmd.Context(), p, o)
	}
	return cmd
}

// standalone is the run of a trial that has no run: its manifests need names there.
var standalone = wire.Run{Namespace: "local", Name: "fit", UID: "fit"}

// trial returns the document that a pod would get for the same training.
func (o fitOptions) trial() (wire.Trial, error) {
	data, errData := filepath.Abs(o.data)
	out, errOut := filepath.Abs(o.out)
	t := wire.Trial{
		Version:         wire.Version,
		Run:             standalone,
		Name:            wire.TrialName(o.depth),
		Depth:           o.depth,
		Attempt:         1,
		GPU:             o.gpu,
		Threads:         o.threads,
		Dataset:         wire.Dataset{URI: wire.LocalURI(data), Split: o.split},
		Hyperparameters: o.recipe.hyper,
		Imbalance:       o.recipe.imbalance,
		Checkpoint:      wire.DefaultCheckpointSettings(wire.LocalURI(out)),
	}
	if err := errors.Join(errData, errOut); err != nil {
		return t, err
	}
	if o.corrections != "" {
		overlay, err := filepath.Abs(o.corrections)
		if err != nil {
			return t, err
		}
		t.Dataset.Corrections = wire.LocalURI(overlay)
	}
	if o.pretrained.URI != "" {
		file, err := filepath.Abs(o.pretrained.URI)
		if err != nil {
			return t, err
		}
		from := o.pretrained
		from.URI = wire.LocalURI(file)
		t.Pretrained = &from
	}
	return t, t.Validate()
}

// fit trains a depth and prints a summary.
func fit(ctx context.Context, p *program, o fitOptions) error {
	t, err := o.trial()
	if err != nil {
		return settingsError(err)
	}
	unlock, err := lock(o.out)
	if err != nil {
		return err
	}
	defer unlock()
	if t.Attempt, err = nextAttempt(o.out, t.Name); err != nil {
		return storeError(o.out, err)
	}
	h := t.Hyperparameters
	screen := newScreen(p.err)
	start := "random weights"
	if t.Pretrained != nil {
		start = o.pretrained.URI
	}
	screen.linef("depth %d from %s, %d epochs (%d of them in the head phase), batch size %d, %dx%d pixels",
		t.Depth, start, h.Epochs, h.HeadEpochs, h.BatchSize, h.ImageSize, h.ImageSize)
	screen.linef("%s at learning rate %g, seed %d, %d threads", h.Optimizer, h.LearningRate, h.Seed, t.Threads)
	began := time.Now()
	process := trialProcess{
		trial:    t,
		writer:   t.Writer("local"),
		gpu:      t.GPU,
		spool:    screen.showReport,
		progress: screen.step,
		log:      slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	done, err := process.train(ctx)
	screen.clear()
	if errors.Is(err, loop.ErrInterrupted) {
		return &ending{code: wire.ExitInterrupted, err: fmt.Errorf(
			"interrupted in epoch %d of %d; the same command resumes from here", done.Epoch+1, h.Epochs)}
	}
	if err != nil {
		return err
	}
	return summarise(p.out, t, done, time.Since(began))
}

// lock prevents two programs from training into one directory.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, storeError(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, storeError(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("another fit is training into %s (%w): wait for it, or choose another --out", dir, err)
		return nil, settingsError(errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil // the end of the process unlocks the file too
}

// nextAttempt returns the number of the next attempt: one more than the attempts that have left a directory in out.
func nextAttempt(out, trial string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(out, wire.WriterDir(standalone.UID, trial, "")))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	next := 1
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trial+"-a") {
			next++
		}
	}
	return next, nil
}

// whatNext is the end of fit's summary. Its %[1]s is the directory of the best checkpoint.
const whatNext = `
best        %[1]s
look        plumbline-trainer evaluate --checkpoint %[1]s --data DIR --out DIR
next        plumbline-trainer publish --checkpoint %[1]s --registry DIR --model NAME
`

// summarise prints the result of a training and what to do next.
func summarise(w io.Writer, t wire.Trial, done loop.Outcome, took time.Duration) error {
	best := done.Best
	path, err := wire.LocalPath(best.Checkpoint.URI)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\ndepth %d is trained: %d epochs, %d steps, %s in this process\n\n",
		t.Depth, done.Epoch, done.Step, took.Round(time.Second))
	if err != nil {
		return err
	}
	table := newMetricsTable(w)
	table.row("validation", best.Metrics, selectedOn(best.Epoch, best.Metrics.Threshold))
	if done.Test != nil {
		table.row("test", *done.Test, "scored once")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, whatNext, path)
	return err
}
