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

// Options holds the arguments and the flag of `plumb stop`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run    string
	Trials []string
	Output output.Flag
}

const help = `End trials of a run for good. Their best checkpoints still compete with those of the other trials.

Each pod finishes its step, saves a checkpoint and ends. A stopped trial cannot be resumed in this run. To train it
further, retry the run when it has ended: plumb retry makes another run from its checkpoints. This command adds the
trials to spec.stopTrials.`

// NewCmdStop returns `plumb stop`. If runF is not nil, it receives the options instead of runStop.
func NewCmdStop(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runStop
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "stop RUN TRIAL...",
		Short: "End trials of a run for good; their best checkpoints still compete",
		Long:  help,
		Example: `  # End one trial
  plumb stop erasers d152

  # End two trials
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

// proposeStoppable lists the trials that have not ended and are not on the command line yet.
func proposeStoppable(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error) {
	all, err := cluster.ProposeTrials(ctx, cl, namespace, args)
	return slices.DeleteFunc(all, func(proposal string) bool {
		name, about, _ := strings.Cut(proposal, "\t")
		phase, _, _ := strings.Cut(about, " ")
		return slices.Contains(args[1:], name) || api.TrialPhase(phase).Terminal()
	}), err
}

// runStop adds the trials to spec.stopTrials. It retries if somebody else has changed the run between its read and its
// write, so that neither change is lost.
func runStop(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	var r *api.TrainingRun
	var added []string
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if r, err = cluster.GetRun(ctx, cl, namespace, o.Run); err != nil {
			return err
		}
		if added, err = o.notYetStopped(r); err != nil || len(added) == 0 {
			return err
		}
		before := r.DeepCopy()
		for _, t := range added {
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
		if slices.Contains(added, t) {
			const stopping = "trial %s of run %s is being stopped: its pod saves a checkpoint and ends\n"
			fmt.Fprintf(o.IO.Out, stopping, t, r.Name)
		} else {
			fmt.Fprintf(o.IO.Out, "trial %s of run %s is already being stopped\n", t, r.Name)
		}
	}
	fmt.Fprintf(o.IO.ErrOut, "To follow the run: plumb watch %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	return nil
}

// notYetStopped returns those of the named trials that are not in spec.stopTrials. It returns an error if the run has
// ended, or if one of the trials has ended or does not exist.
func (o *Options) notYetStopped(r *api.TrainingRun) (added []string, err error) {
	if err := runstate.RefuseEnded(r, o.Cluster.NamespaceFlag()); err != nil {
		return nil, err
	}
	for _, name := range o.Trials {
		// The status of a new run lists no trials yet, so a trial that spec.depths implies exists, too.
		inSpec := slices.ContainsFunc(r.Spec.Depths, func(d api.Depth) bool { return name == fmt.Sprintf("d%d", d) })
		t := runstate.FindTrial(r, name)
		switch {
		case t == nil && !inSpec:
			return nil, runstate.NoTrial(r, name)
		case t != nil && t.Phase.Terminal():
			return nil, fmt.Errorf("trial %s of run %q has already ended: it is %s\nTo see all trials: plumb best %s%s",
				name, r.Name, t.Phase, r.Name, o.Cluster.NamespaceFlag())
		case !slices.Contains(r.Spec.StopTrials, api.TrialName(name)) && !slices.Contains(added, name):
			added = append(added, name)
		}
	}
	return added, nil
}
