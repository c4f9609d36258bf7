package suspend

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
)

// Options holds the argument and the flag of `plumb suspend` or `plumb resume`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run     string
	Suspend bool // true for suspend, false for resume
	Output  output.Flag
}

const suspendHelp = `Stop all pods of a run until the run is resumed.

Each pod finishes its step, saves a checkpoint and ends. Checkpoints are kept, no finished epoch is lost, and no retry
is spent. The time in which the run is suspended does not count for spec.activeDeadlineSeconds. This command sets
spec.suspend to true.`

const resumeHelp = `Resume a suspended run from its checkpoints.

This command sets spec.suspend to false. A run that has ended cannot be resumed: plumb retry makes another run from
its checkpoints.`

// NewCmdSuspend returns `plumb suspend`. If runF is not nil, it receives the options instead of runSuspend.
func NewCmdSuspend(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{IO: f.IO, Cluster: f.Cluster, Suspend: true}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "suspend RUN",
		Short: "Stop all pods of a run until the run is resumed",
		Long:  suspendHelp,
		Example: `  # Free the GPUs of a run
  plumb suspend erasers`,
	})
}

// NewCmdResume returns `plumb resume`. If runF is not nil, it receives the options instead of runSuspend.
func NewCmdResume(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "resume RUN",
		Short: "Resume a suspended run from its checkpoints",
		Long:  resumeHelp,
		Example: `  # Continue training after plumb suspend
  plumb resume erasers`,
	})
}

// newCmd adds to cmd what suspend and resume have in common, and returns it.
func newCmd(
	f *factory.Factory, o *Options, runF func(context.Context, *Options) error, cmd *cobra.Command,
) *cobra.Command {
	if runF == nil {
		runF = runSuspend
	}
	cmd.Args = arguments.Between(1, "RUN")
	cmd.ValidArgsFunction = f.Cluster.Completion(cluster.ProposeRuns, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Run = args[0]
		return runF(cmd.Context(), o)
	}
	o.Output.AddTo(cmd, "json", "yaml", "name")
	return cmd
}

// runSuspend sets spec.suspend, unless it has that value already, and prints what happens next.
func runSuspend(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	r, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	if err := runstate.RefuseEnded(r, o.Cluster.NamespaceFlag()); err != nil {
		return err
	}
	already := ptr.Deref(r.Spec.Suspend, false) == o.Suspend
	if !already {
		before := r.DeepCopy()
		r.Spec.Suspend = &o.Suspend
		if err := cl.Patch(ctx, r, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("change spec.suspend of run %q in namespace %s: %w", r.Name, namespace, err)
		}
	}
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, r, o.IO.Out)
	}
	switch {
	case already && o.Suspend:
		fmt.Fprintf(o.IO.Out, "run %s is already suspended\n", r.Name)
	case already:
		fmt.Fprintf(o.IO.Out, "run %s is not suspended, so there is nothing to resume\n", r.Name)
	case o.Suspend:
		fmt.Fprintf(o.IO.Out, "run %s is suspended: its pods save checkpoints and end\n", r.Name)
		fmt.Fprintf(o.IO.ErrOut, "To resume it: plumb resume %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	default:
		fmt.Fprintf(o.IO.Out, "run %s resumes from its checkpoints\n", r.Name)
		fmt.Fprintf(o.IO.ErrOut, "To follow it: plumb watch %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	}
	return nil
}
