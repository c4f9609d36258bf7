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

// Options are what `plumb suspend` and `plumb resume` were asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run     string
	Suspend bool // false: resume
	Output  output.Flag
}

// NewCmdSuspend returns `plumb suspend`. runF, if not nil, receives the options instead of runSuspend.
func NewCmdSuspend(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{IO: f.IO, Cluster: f.Cluster, Suspend: true}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "suspend RUN",
		Short: "Stop all pods of a run until it is resumed",
		Long: `Stop all pods of a run until it is resumed.

Each pod saves itself first and loses no finished epoch. Checkpoints stay, no retry is spent, and the run's clock stands. This sets
spec.suspend.`,
		Example: `  plumb suspend erasers`,
	})
}

// NewCmdResume returns `plumb resume`. runF, if not nil, receives the options instead of runSuspend.
func NewCmdResume(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "resume RUN",
		Short: "Let a suspended run go on from its checkpoints",
		Long: `Let a suspended run go on from its checkpoints. This takes spec.suspend back.

A run that has ended does not go on: plumb retry makes another one from its checkpoints.`,
		Example: `  plumb resume erasers`,
	})
}

// newCmd gives a command what both have.
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

// runSuspend changes nothing but spec.suspend, and says what follows.
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
	case already:
		state := map[bool]string{true: "suspended", false: "not suspended"}[o.Suspend]
		fmt.Fprintf(o.IO.Out, "run %s is %s already\n", r.Name, state)
	case o.Suspend:
		fmt.Fprintf(o.IO.Out, "run %s is suspended: its pods save themselves and end\n", r.Name)
		fmt.Fprintf(o.IO.ErrOut, "Go on: plumb resume %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	default:
		fmt.Fprintf(o.IO.Out, "run %s goes on from its checkpoints\n", r.Name)
		fmt.Fprintf(o.IO.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, o.Cluster.NamespaceFlag())
	}
	return nil
}
