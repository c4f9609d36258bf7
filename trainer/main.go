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
	// The first signal asks; a second one is not held back.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], program{env: os.Getenv, out: os.Stdout, err: os.Stderr, drainLimits: usualDrainLimits, exit: os.Exit}))
}

// program is what the verbs touch of the process that they run in.
type program struct {
	env         func(string) string
	out, err    io.Writer
	json        bool // logs
	drainLimits drainLimits
	exit        func(code int) // at once, whatever else runs: see trainWatched
}

func (p *program) log() *slog.Logger {
	if p.json {
		return slog.New(slog.NewJSONHandler(p.err, nil))
	}
	return slog.New(slog.NewTextHandler(p.err, nil))
}

const rootHelp = `Trains ResNets of one depth each on labelled images, with TensorFlow, from Go.

In a cluster the operator runs it: "run" trains the trial that ` + wire.EnvTrial + ` describes, "publish" publishes the checkpoint that
` + wire.EnvPublication + ` names. On one machine "fit" trains, "evaluate" judges the result and "explain" shows where it looked; "publish" with flags makes a
model of it, "export" a SavedModel beside any registry, and "predict" asks either. "prune" removes checkpoints that nobody needs.

Exit codes:
  0   done
  64  a setting or flag that cannot be obeyed      70  a fault of this program
  65  the data set or a checkpoint is wrong        74  a store cannot be read or written
  66  the data set or a checkpoint is not there    75  interrupted; a checkpoint was written, start again to go on
  69  a GPU was promised and there is none         76  training diverged: loss or gradients stayed NaN or Inf
                                                   77  stalled: no step ended for as long as stallSeconds says`

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, p program) int {
	root := &cobra.Command{
		Use: "plumbline-trainer", Short: "Train and publish ResNets", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	format := root.PersistentFlags().String("log-format", "text", "log lines as text or json")
	started := false // else the command line itself was wrong
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil { // cobra itself looks later, when the verb counts as started
			return err
		}
		if *format != "text" && *format != "json" {
			return fmt.Errorf("--log-format %q is neither text nor json", *format)
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
	return &cobra.Command{Use: "version", Short: "Print versions", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintf(p.out, "plumbline-trainer %s\nwire %s\nTensorFlow %s, %s\n", wire.Release, wire.Version, session.Version(), session.ISA())
		return err
	}}
}
