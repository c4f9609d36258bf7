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
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/wire"
)

const fitHelp = `Train one depth on this machine, without a cluster.

Checkpoints go into --out. Started again with the same settings, it goes on from the newest one, and ends as if it had never been
stopped: Ctrl-C and kill are safe at any time.`

const fitExample = `  plumb dataset synth --out erasers --samples 480 --prevalence 0.3 --min-severity 0.7 --label-noise 0 --seed 7
  plumbline-trainer fit --data erasers --depth 18 --out out --epochs 8 --image-size 64 --batch-size 16`

// fitOptions are fit's flags.
type fitOptions struct {
	data, out, corrections string
	depth, threads         int
	gpu                    bool
	pretrained             wire.Pretrained
	recipe                 recipeFlags
	split                  wire.Split
}

// recipeFlags are what can be set by flags of a preset's settings.
type recipeFlags struct {
	hyper     wire.Hyperparameters
	imbalance wire.Imbalance
}

// bind makes a flag of each setting; its value is the default.
func (r *recipeFlags) bind(f *pflag.FlagSet) {
	h, a := &r.hyper, &r.hyper.Augment
	f.StringVar(&h.Preset, "preset", h.Preset, "where settings that are not given come from: "+strings.Join(wire.Presets, ", "))
	f.IntVar(&h.Epochs, "epochs", h.Epochs, "epochs")
	f.IntVar(&h.HeadEpochs, "head-epochs", h.HeadEpochs, "the first of them train head and first convolution alone; from pretrained weights only (default then 3)")
	f.IntVar(&h.BatchSize, "batch-size", h.BatchSize, "samples in a step")
	f.IntVar(&h.Accumulate, "accumulate", h.Accumulate, "parts that a batch is worked through in, to save memory")
	f.IntVar(&h.ImageSize, "image-size", h.ImageSize, "side of the images in pixels")
	f.StringVar(&h.Optimizer, "optimizer", h.Optimizer, strings.Join(wire.Optimizers, " or ")+", as PyTorch computes them")
	f.Float64Var(&h.LearningRate, "learning-rate", h.LearningRate, "the head's peak rate")
	f.Float64Var(&h.BackboneFactor, "backbone-factor", h.BackboneFactor, "rate of the last stage, as a share of the head's (from pretrained weights 0.1)")
	f.Float64Var(&h.LayerDecay, "layer-decay", h.LayerDecay, "rate of each stage, as a share of the next one's (from pretrained weights 0.8)")
	f.StringVar(&h.Schedule, "schedule", h.Schedule, "of the rate after the warm-up: "+strings.Join(wire.Schedules, ", "))
	f.IntVar(&h.WarmupEpochs, "warmup-epochs", h.WarmupEpochs, "epochs in which the rate rises to its peak; must be fewer than are left after the head's")
	f.Float64Var(&h.Momentum, "momentum", h.Momentum, "SGD's")
	f.Float64Var(&h.Beta1, "beta1", h.Beta1, "AdamW's, of the average of gradients")
	f.Float64Var(&h.Beta2, "beta2", h.Beta2, "AdamW's, of the average of their squares")
	f.Float64Var(&h.Epsilon, "epsilon", h.Epsilon, "AdamW's")
	f.Float64Var(&h.WeightDecay, "weight-decay", h.WeightDecay, "weight decay of kernels and matrices")
	f.Float64Var(&h.ClipNorm, "clip-norm", h.ClipNorm, "global norm that gradients are cut to; 0 for none")
	f.Float64Var(&h.LabelSmoothing, "label-smoothing", h.LabelSmoothing, "share of a label that is spread over both classes; probabilities are then not calibrated by the class frequencies")
	f.Float64Var(&h.EMA, "ema", h.EMA, "decay of the averaged weights, which are what is evaluated and kept; 0 for none")
	f.StringVar(&h.BatchNorm, "batch-norm", h.BatchNorm, strings.Join(wire.BatchNorms, " or ")+" (from pretrained weights freeze)")
	f.Float64Var(&a.Shift, "augment-shift", a.Shift, "largest shift of a training image, as a share of its side")
	f.Float64Var(&a.Rotate, "augment-rotate", a.Rotate, "largest turn, in degrees")
	f.Float64Var(&a.Gain, "augment-gain", a.Gain, "largest change of a channel's contrast, as a share")
	f.Float64Var(&a.Offset, "augment-offset", a.Offset, "largest change of a channel's brightness, in its standard deviations")
	f.Float64Var(&a.ChannelDropout, "augment-channel-dropout", a.ChannelDropout, "chance of a channel to be blanked")
	f.Float64Var(&a.Noise, "augment-noise", a.Noise, "deviation of added noise, in a channel's standard deviations")
	f.StringVar(&h.Precision, "precision", h.Precision, strings.Join(wire.Precisions, " or "))
	f.IntVar(&h.Patience, "patience", h.Patience, "epochs without a better one after which training ends; 0 for all epochs")
	f.Int64Var(&h.Seed, "seed", h.Seed, "of weights, order and augmentation")
	f.Float64Var(&r.imbalance.SamplerWeight, "sampler-weight", r.imbalance.SamplerWeight, "draw a sample of class c with weight n_c to the power of minus this")
	f.Float64Var(&r.imbalance.LossWeight, "loss-weight", r.imbalance.LossWeight, "count a sample of class c with weight n_c to the power of minus this")
	f.Float64Var(&r.imbalance.EffectiveNumber, "effective-number", r.imbalance.EffectiveNumber, "or with weight (1-b)/(1-b^n_c), b being this")
}

// resolve completes what was given from the preset.
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
		Use: "fit --data DIR --depth N --out DIR", Short: "Train one depth on this machine", Long: fitHelp, Example: fitExample, Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "directory of the data set, which holds dataset.yaml")
	f.StringVar(&o.out, "out", "", "directory for checkpoints; made where it is not there")
	f.IntVar(&o.depth, "depth", 0, fmt.Sprintf("ResNet depth, one of %v", wire.Depths))
	f.StringVar(&o.corrections, "corrections", "", "overlay on the labels, instead of the one that dataset.yaml names")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads for TensorFlow; resuming with another number is not bit-exact")
	f.BoolVar(&o.gpu, "gpu", false, "train on a GPU, and refuse to train without one")
	f.StringVar(&o.pretrained.URI, "pretrained", "", "weights to start from: a .safetensors file of this depth, in torchvision's or timm's names")
	f.StringVar(&o.pretrained.InputAdaptation, "input-adaptation", wire.AdaptTile, "how its first convolution takes these channels: "+strings.Join(wire.Adaptations, ", "))
	f.StringToStringVar(&o.pretrained.Colours, "colours", nil, "with --input-adaptation mapped: the colour that each channel inherits, such as AM=mean,R=R,G=G")
	o.recipe.bind(f)
	f.Float64Var(&o.split.Test, "test", o.split.Test, "share of samples for the one final test")
	f.Float64Var(&o.split.Validation, "validation", o.split.Validation, "share of samples that epoch and threshold are chosen on")
	f.StringVar(&o.split.GroupBy, "group-by", o.split.GroupBy, "what the split keeps together: package or none")
	f.Int64Var(&o.split.Seed, "split-seed", o.split.Seed, "of the split")
	require(cmd, "data", "out", "depth")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.recipe, err = o.recipe.resolve(cmd.Flags(), o.pretrained.URI != ""); err != nil {
			return settingsError(err)
		}
		return fit(cmd.Context(), p, o)
	}
	return cmd
}

// Names that stand in a standalone trial's manifest where a cluster has the run's.
var standalone = wire.Run{Namespace: "local", Name: "fit", UID: "fit"}

// trial is what a pod would be told.
func (o fitOptions) trial() (wire.Trial, error) {
	data, errData := filepath.Abs(o.data)
	out, errOut := filepath.Abs(o.out)
	t := wire.Trial{
		Version: wire.Version, Run: standalone, Name: wire.TrialName(o.depth), Depth: o.depth, Attempt: 1,
		GPU: o.gpu, Threads: o.threads,
		Dataset:         wire.Dataset{URI: wire.LocalURI(data), Split: o.split},
		Hyperparameters: o.recipe.hyper, Imbalance: o.recipe.imbalance,
		Checkpoint: wire.DefaultCheckpoint(wire.LocalURI(out)),
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
	screen.linef("depth %d from %s, %d epochs (%d of them the head's), batch %d, %dx%d pixels, %s at %g, seed %d, %d threads",
		t.Depth, start, h.Epochs, h.HeadEpochs, h.BatchSize, h.ImageSize, h.ImageSize, h.Optimizer, h.LearningRate, h.Seed, t.Threads)
	began := time.Now()
	a := attempt{
		trial: t, writer: t.Writer("local"), gpu: t.GPU, spool: screen.showReport, progress: screen.step,
		log: slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	done, err := a.train(ctx)
	screen.clear()
	if errors.Is(err, loop.ErrInterrupted) {
		return &ending{code: wire.ExitInterrupted, err: fmt.Errorf("interrupted in epoch %d of %d; the same command goes on from here", done.Epoch+1, h.Epochs)}
	}
	if err != nil {
		return err
	}
	return summarise(p.out, t, done, time.Since(began))
}

// lock keeps two programs from training into one directory.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, storeError(dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, storeError(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, settingsError(fmt.Errorf("another fit is training into %s (%w): wait for it, or choose another --out", dir, err))
	}
	return func() { f.Close() }, nil
}

// nextAttempt counts the writers that have been here before.
func nextAttempt(out, trial string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(out, wire.WriterDir(standalone.UID, trial, "")))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	return len(slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), trial+"-a") })) + 1, nil
}

// summarise says what came of it and where it lies.
func summarise(w io.Writer, t wire.Trial, done loop.Outcome, took time.Duration) error {
	best := done.Best
	path, err := wire.LocalPath(best.Checkpoint.URI)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\ndepth %d is trained: %d epochs, %d steps, %s in this process\n\n", t.Depth, done.Epoch, done.Step, took.Round(time.Second))
	table := newMetricsTable(w)
	table.row("validation", best.Metrics, selectedOn(best.Epoch, best.Metrics.Threshold))
	if done.Test != nil {
		table.row("test", *done.Test, "scored once")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nbest        %s\nlook        plumbline-trainer evaluate --checkpoint %s --data DIR --out DIR\nnext        plumbline-trainer publish --checkpoint %s --registry DIR --model NAME\n", path, path, path)
	return err
}
