package stop

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
)

// Options are what `plumb stop` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run    string
	Trials []string
	Output output.Flag
}

// NewCmdStop returns `plumb stop`. runF, if not nil, receives the options instead of runStop.
func NewCmdStop(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runStop
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "stop RUN TRIAL...",
		Short: "End trials of a run now, for good; their best checkpoints compete",
		Long: `End trials of a run now, for good; their best checkpoints compete.

Each pod saves itself first. A trial that was stopped does not go on in this run; plumb retry makes another run from its
checkpoints. This adds to spec.stopTrials.`,
		Example: `  plumb stop erasers d152
  plumb stop erasers d101 d152`,
		Args: func(cmd *cobra.Command, args []string) error {
			return arguments.Between(2, "RUN", "TRIAL")(cmd, args[:min(2, len(args))])
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return f.Cluster.Completion(cluster.ProposeRuns, nil)(cmd, args, typed)
			}
			return f.Cluster.FlagCompletion(proposeStoppable, 1)(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run, o.Trials = args[0], args[1:]
			return runF(cmd.Context(), o)
		},
	}
	o.Output.AddTo(cmd, "json", "yaml", "name")
	return cmd
}

// proposeStoppable lists the trials that could still be named.
func proposeStoppable(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error) {
	all, err := cluster.ProposeTrials(ctx, cl, namespace, args)
	return slices.DeleteFunc(all, func(proposal string) bool {
		name, about, _ := strings.Cut(proposal, "\t")
		phase, _, _ := strings.Cut(about, " ")
		return slices.Contains(args[1:], name) || api.TrialPhase(phase).Terminal()
	}), err
}

// runStop adds to spec.stopTrials. Somebody else may add at the same time, so it is read and written as one.
func runStop(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	var r *api.TrainingRun
	var fresh []string
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if r, err = cluster.GetRun(ctx, cl, namespace, o.Run); err != nil {
			return err
		}
		if fresh, err = o.stoppable(r); err != nil || len(fresh) == 0 {
			return err
		}
		before := r.DeepCopy()
		for _, t := range fresh {
			r.Spec.StopTrials = append(r.Spec.StopTrials, api.TrialName(t))
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := cl.Patch(ctx, r, patch); err != nil {
			return fmt.Errorf("change spec.stopTrials of run %q in namespace %s: %w", o.Run, namespace, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, r, o.IO.Out)
	}
	for _, t := range o.Trials {
		if slices.Contains(fresh, t) {
			fmt.Fprintf(o.IO.Out, "trial %s of run %s is stopped: its pod saves itself and ends\n", t, r.Name)
		} else {
			fmt.Fprintf(o.IO.Out, "trial %s of run %s is being stopped already\n", t, r.Name)
		}
	}
	fmt.Fprintf(o.IO.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	return nil
}

// stoppable are those of the named trials that nobody has named before. One that is not there, or has ended, is a
// mistake.
func (o *Options) stoppable(r *api.TrainingRun) (fresh []string, err error) {
	if err := runstate.RefuseEnded(r, o.Cluster.NamespaceFlag()); err != nil {
		return nil, err
	}
	for _, name := range o.Trials {
		depth := slices.ContainsFunc(r.Spec.Depths, func(d api.Depth) bool { return name == fmt.Sprintf("d%d", d) })
		t := runstate.FindTrial(r, name)
		switch {
		case t == nil && !depth:
			return nil, runstate.NoTrial(r, name)
		case t != nil && t.Phase.Terminal():
			return nil, fmt.Errorf("trial %s of run %q has ended: it is %s\nSee all: plumb best %s%s",
				name, r.Name, t.Phase, r.Name, o.Cluster.NamespaceFlag())
		case slices.Contains(r.Spec.StopTrials, api.TrialName(name)) || slices.Contains(fresh, name):
		default:
			fresh = append(fresh, name)
		}
	}
	return fresh, nil
}
