package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// suspendOptions are what `plumb suspend` and `plumb resume` were asked.
type suspendOptions struct {
	io      *ioStreams
	cluster *cluster

	name    string
	suspend bool // false: resume
	output  output
}

func newCmdSuspend(f *factory, runF func(context.Context, *suspendOptions) error) *cobra.Command {
	o := &suspendOptions{io: f.io, cluster: f.cluster, suspend: true}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "suspend RUN",
		Short: "Stop all pods of a run until it is resumed",
		Long: `Stop all pods of a run until it is resumed.

Each pod saves itself first and loses no finished epoch. Checkpoints stay, no retry is spent, and the run's clock stands. This sets
spec.suspend.`,
		Example: `  plumb suspend erasers`,
	})
}

func newCmdResume(f *factory, runF func(context.Context, *suspendOptions) error) *cobra.Command {
	o := &suspendOptions{io: f.io, cluster: f.cluster}
	return newCmd(f, o, runF, &cobra.Command{
		Use:   "resume RUN",
		Short: "Let a suspended run go on from its checkpoints",
		Long: `Let a suspended run go on from its checkpoints. This takes spec.suspend back.

A run that has ended does not go on: plumb retry makes another one from its checkpoints.`,
		Example: `  plumb resume erasers`,
	})
}

// newCmd gives a command what both have.
func newCmd(f *factory, o *suspendOptions, runF func(context.Context, *suspendOptions) error, cmd *cobra.Command) *cobra.Command {
	if runF == nil {
		runF = runSuspend
	}
	cmd.Args = arguments(1, "RUN")
	cmd.ValidArgsFunction = f.cluster.completion(proposeRuns, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.name = args[0]
		return runF(cmd.Context(), o)
	}
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

// run changes nothing but spec.suspend, and says what follows.
func runSuspend(ctx context.Context, o *suspendOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if err := mustGoOn(r, o.cluster.inNamespace()); err != nil {
		return err
	}
	already := ptr.Deref(r.Spec.Suspend, false) == o.suspend
	if !already {
		before := r.DeepCopy()
		r.Spec.Suspend = &o.suspend
		if err := cl.Patch(ctx, r, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("change spec.suspend of run %q in namespace %s: %w", r.Name, namespace, err)
		}
	}
	if printer := o.output.printer(); printer != nil {
		return printObject(printer, r, o.io.Out)
	}
	switch {
	case already:
		fmt.Fprintf(o.io.Out, "run %s is %s already\n", r.Name, map[bool]string{true: "suspended", false: "not suspended"}[o.suspend])
	case o.suspend:
		fmt.Fprintf(o.io.Out, "run %s is suspended: its pods save themselves and end\n", r.Name)
		fmt.Fprintf(o.io.ErrOut, "Go on: plumb resume %s%s\n", r.Name, o.cluster.inNamespace())
	default:
		fmt.Fprintf(o.io.Out, "run %s goes on from its checkpoints\n", r.Name)
		fmt.Fprintf(o.io.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, o.cluster.inNamespace())
	}
	return nil
}
