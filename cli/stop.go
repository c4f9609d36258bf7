package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// stopOptions are what `plumb stop` was asked.
type stopOptions struct {
	io      *ioStreams
	cluster *cluster

	name   string
	trials []string
	output output
}

func newCmdStop(f *factory, runF func(context.Context, *stopOptions) error) *cobra.Command {
	if runF == nil {
		runF = runStop
	}
	o := &stopOptions{io: f.io, cluster: f.cluster}
	cmd := &cobra.Command{
		Use:   "stop RUN TRIAL...",
		Short: "End trials of a run now, for good; their best checkpoints compete",
		Long: `End trials of a run now, for good; their best checkpoints compete.

Each pod saves itself first. A trial that was stopped does not go on in this run; plumb retry makes another run from its
checkpoints. This adds to spec.stopTrials.`,
		Example: `  plumb stop erasers d152
  plumb stop erasers d101 d152`,
		Args: func(cmd *cobra.Command, args []string) error {
			return arguments(2, "RUN", "TRIAL")(cmd, args[:min(2, len(args))])
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return f.cluster.completion(proposeRuns, nil)(cmd, args, typed)
			}
			return f.cluster.flagCompletion(proposeStoppable, 1)(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.trials = args[0], args[1:]
			return runF(cmd.Context(), o)
		},
	}
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

// proposeStoppable lists the trials that could still be named.
func proposeStoppable(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error) {
	all, err := proposeTrials(ctx, cl, namespace, args)
	return slices.DeleteFunc(all, func(proposal string) bool {
		name, about, _ := strings.Cut(proposal, "\t")
		phase, _, _ := strings.Cut(about, " ")
		return slices.Contains(args[1:], name) || api.TrialPhase(phase).Terminal()
	}), err
}

// run adds to spec.stopTrials. Somebody else may add at the same time, so it is read and written as one.
func runStop(ctx context.Context, o *stopOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	var r *api.TrainingRun
	var fresh []string
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if r, err = getRun(ctx, cl, namespace, o.name); err != nil {
			return err
		}
		if fresh, err = o.stoppable(r); err != nil || len(fresh) == 0 {
			return err
		}
		before := r.DeepCopy()
		for _, t := range fresh {
			r.Spec.StopTrials = append(r.Spec.StopTrials, api.TrialName(t))
		}
		if err := cl.Patch(ctx, r, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("change spec.stopTrials of run %q in namespace %s: %w", o.name, namespace, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if printer := o.output.printer(); printer != nil {
		return printObject(printer, r, o.io.Out)
	}
	for _, t := range o.trials {
		if slices.Contains(fresh, t) {
			fmt.Fprintf(o.io.Out, "trial %s of run %s is stopped: its pod saves itself and ends\n", t, r.Name)
		} else {
			fmt.Fprintf(o.io.Out, "trial %s of run %s is being stopped already\n", t, r.Name)
		}
	}
	fmt.Fprintf(o.io.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, o.cluster.inNamespace())
	return nil
}

// stoppable are those of the named trials that nobody has named before. One that is not there, or has ended, is a mistake.
func (o *stopOptions) stoppable(r *api.TrainingRun) (fresh []string, err error) {
	if err := mustGoOn(r, o.cluster.inNamespace()); err != nil {
		return nil, err
	}
	for _, name := range o.trials {
		depth := slices.ContainsFunc(r.Spec.Depths, func(d api.Depth) bool { return name == fmt.Sprintf("d%d", d) })
		t := findTrial(r, name)
		switch {
		case t == nil && !depth:
			return nil, fmt.Errorf("run %q has no trial %q\nIts trials: %s", r.Name, name, trialNames(r))
		case t != nil && t.Phase.Terminal():
			return nil, fmt.Errorf("trial %s of run %q has ended: it is %s\nSee all: plumb best %s%s", name, r.Name, t.Phase, r.Name, o.cluster.inNamespace())
		case slices.Contains(r.Spec.StopTrials, api.TrialName(name)) || slices.Contains(fresh, name):
		default:
			fresh = append(fresh, name)
		}
	}
	return fresh, nil
}
