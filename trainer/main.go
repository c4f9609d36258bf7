package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

func main() {
	// The first signal ends ctx, so that the program can save its work. A second signal kills the program.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], program{
		env:         os.Getenv,
		out:         os.Stdout,
		err:         os.Stderr,
		drainLimits: usualDrainLimits,
		exit:        os.Exit,
	}))
}

// program holds what the verbs use of the process that they run in.
type program struct {
	env         func(string) string
	out, err    io.Writer
	json        bool // log lines are JSON
	drainLimits drainLimits
	exit        func(code int) // ends the process at once, even while other goroutines run; see trainWatched
}

// log returns a logger that writes to the program's error output.
func (p *program) log() *slog.Logger {
	if p.json {
		return slog.New(slog.NewJSONHandler(p.err, nil))
	}
	return slog.New(slog.NewTextHandler(p.err, nil))
}

const rootHelp = `plumbline-trainer trains ResNets on labelled images, with TensorFlow, and makes models of the results.
One call of it trains one depth.

On one machine you use "fit" to train, "evaluate" to measure the result, "explain" to see where the network looked,
"publish" to make a version of a model from it, and "predict" to ask that model. Each verb has its own --help.

In a cluster the operator starts it. "run" trains the trial that ` + wire.EnvTrial + ` describes. "publish" without
flags publishes the checkpoint that ` + wire.EnvPublication + ` names. "prune" is run by a Job of "plumb prune".

Exit codes:
  0   Success.
  64  A flag or a setting is wrong, or a step does not fit into memory.
  65  The data set, a checkpoint or a model is wrong or damaged.
  66  The data set, a checkpoint or another input does not exist.
  69  A GPU was requested, and TensorFlow finds none.
  70  An internal error: a bug in this program.
  74  A store or a disk cannot be read or written.
  75  Interrupted, after a checkpoint was written, or reports could not be delivered. The same command resumes.
  76  Training diverged: the loss or the gradients stayed NaN or Inf.
  77  Stalled: no step or other work has ended for stallTimeoutSeconds.`

const rootExample = `  # Make a data set of look-alike images, train depth 18 on it, and measure the best checkpoint.
  # "fit" prints the directory of that checkpoint.
  plumb dataset synth --out erasers --samples 480 --prevalence 0.3 --min-severity 0.7 --label-noise 0 --seed 7
  plumbline-trainer fit --data erasers --depth 18 --out out --epochs 8 --image-size 64 --batch-size 16
  plumbline-trainer evaluate --checkpoint out/fit/d18/d18-a1-local/best-e0005 --data erasers --out evaluation

  # Make a model of that checkpoint, and ask it.
  plumbline-trainer publish --checkpoint out/fit/d18/d18-a1-local/best-e0005 --registry models --model erasers
  plumbline-trainer predict --model models/erasers --data erasers --split test`

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, p program) int {
	root := &cobra.Command{
		Use:               "plumbline-trainer",
		Short:             "Train and publish ResNets",
		Long:              rootHelp,
		Example:           rootExample,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	format := root.PersistentFlags().String("log-format", "text", "format of log lines: text or json")
	started := false // stays false if the command line itself is wrong
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		// cobra checks these later too, but then the verb would count as started.
		if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
			return err
		}
		if *format != "text" && *format != "json" {
			return fmt.Errorf("--log-format %q must be text or json", *format)
		}
		p.json, started = *format == "json", true
		return nil
	}
	root.AddCommand(newRunCommand(&p), newFitCommand(&p), newEvaluateCommand(&p), newExplainCommand(&p),
		newExportCommand(&p), newPublishCommand(&p), newPredictCommand(&p), newPruneCommand(&p), newVersionCommand(&p))
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return wire.ExitOK
	case !started:
		fmt.Fprintf(p.err, "plumbline-trainer: %v\nSee: plumbline-trainer --help\n", err)
		return wire.ExitSettings
	}
	e := endingOf(err)
	if !e.logged {
		fmt.Fprintf(p.err, "plumbline-trainer: %v\n", err)
	}
	return e.code
}

func newVersionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program, of its wire format, and of TensorFlow",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.out, "plumbline-trainer %s\nwire %s\nTensorFlow %s, %s\n",
				wire.Release, wire.Version, session.Version(), session.ISA())
			return err
		},
	}
}

// require makes flags mandatory.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the command has no flag of this name
		}
	}
}
