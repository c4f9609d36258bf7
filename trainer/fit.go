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
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
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
	hyper                  wire.Hyperparameters
	imbalance              wire.Imbalance
	split                  wire.Split
}

func newFitCommand(p *program) *cobra.Command {
	o := fitOptions{hyper: wire.DefaultHyperparameters(), imbalance: wire.DefaultImbalance(), split: wire.DefaultSplit()}
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
	f.IntVar(&o.hyper.Epochs, "epochs", o.hyper.Epochs, "epochs")
	f.IntVar(&o.hyper.BatchSize, "batch-size", o.hyper.BatchSize, "samples in a step")
	f.IntVar(&o.hyper.ImageSize, "image-size", o.hyper.ImageSize, "side of the images in pixels")
	f.Float64Var(&o.hyper.LearningRate, "learning-rate", o.hyper.LearningRate, "AdamW's peak rate")
	f.IntVar(&o.hyper.WarmupEpochs, "warmup-epochs", o.hyper.WarmupEpochs, "epochs in which the rate rises to its peak; must be fewer than --epochs")
	f.Float64Var(&o.hyper.WeightDecay, "weight-decay", o.hyper.WeightDecay, "decoupled weight decay of kernels and matrices")
	f.Float64Var(&o.hyper.ClipNorm, "clip-norm", o.hyper.ClipNorm, "global norm that gradients are cut to; 0 for none")
	f.Int64Var(&o.hyper.Seed, "seed", o.hyper.Seed, "of weights and sampling")
	f.Float64Var(&o.imbalance.SamplerWeight, "sampler-weight", o.imbalance.SamplerWeight, "draw a sample of class c with weight n_c to the power of minus this")
	f.Float64Var(&o.imbalance.LossWeight, "loss-weight", o.imbalance.LossWeight, "count a sample of class c with weight n_c to the power of minus this")
	f.Float64Var(&o.split.Test, "test", o.split.Test, "share of samples for the one final test")
	f.Float64Var(&o.split.Validation, "validation", o.split.Validation, "share of samples that epoch and threshold are chosen on")
	f.StringVar(&o.split.GroupBy, "group-by", o.split.GroupBy, "what the split keeps together: package or none")
	f.Int64Var(&o.split.Seed, "split-seed", o.split.Seed, "of the split")
	for _, name := range []string{"data", "out", "depth"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a name that is not a flag's
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("warmup-epochs") { // the summary of settings shows the number
			o.hyper.WarmupEpochs = min(o.hyper.WarmupEpochs, o.hyper.Epochs-1)
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
		Hyperparameters: o.hyper, Imbalance: o.imbalance,
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
	screen.linef("depth %d, %d epochs, batch %d, %dx%d pixels, learning rate %g after %d warm-up epochs, weight decay %g, seed %d, %d threads",
		t.Depth, h.Epochs, h.BatchSize, h.ImageSize, h.ImageSize, h.LearningRate, h.WarmupEpochs, h.WeightDecay, h.Seed, t.Threads)
	began := time.Now()
	a := attempt{
		trial: t, writer: t.Writer("local"), gpu: t.GPU, spool: screen.report, progress: screen.step,
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
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tAUC-PR\t95 % INTERVAL\tBLIND\tF1\tPRECISION\tRECALL\tSAMPLES\t")
	row := func(name string, m wire.Metrics, note string) {
		fmt.Fprintf(table, "%s\t%.4f\t%.3f to %.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%s\n",
			name, m.AUCPR, m.AUCPRLow, m.AUCPRHigh, m.Prevalence, m.F1, m.Precision, m.Recall, m.Samples, note)
	}
	row("validation", best.Metrics, fmt.Sprintf("epoch %d and threshold %.4f were selected on it", best.Epoch, best.Metrics.Threshold))
	if done.Test != nil {
		row("test", *done.Test, "scored once")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nbest        %s\nnext        plumbline-trainer publish --checkpoint %s --registry DIR --model NAME\n", path, path)
	return err
}
