package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// suspendOptions are what `plumb suspend` and `plumb resume` were asked.
type suspendOptions struct {
	*cluster
	name    string
	suspend bool // false: resume
	output  output
}

func newSuspendCmd(c *cluster) *cobra.Command {
	return (&suspendOptions{cluster: c, suspend: true}).addTo(&cobra.Command{
		Use:   "suspend RUN",
		Short: "Stop all pods of a run until it is resumed",
		Long: `Stop all pods of a run until it is resumed.

Each pod saves itself first and loses no finished epoch. Checkpoints stay, no retry is spent, and the run's clock stands. This sets
spec.suspend.`,
		Example: `  plumb suspend erasers`,
	})
}

func newResumeCmd(c *cluster) *cobra.Command {
	return (&suspendOptions{cluster: c}).addTo(&cobra.Command{
		Use:   "resume RUN",
		Short: "Let a suspended run go on from its checkpoints",
		Long: `Let a suspended run go on from its checkpoints. This takes spec.suspend back.

A run that has ended does not go on: plumb retry makes another one from its checkpoints.`,
		Example: `  plumb resume erasers`,
	})
}

// addTo gives a command what both have.
func (o *suspendOptions) addTo(cmd *cobra.Command) *cobra.Command {
	cmd.Args = arguments(1, "RUN")
	cmd.ValidArgsFunction = o.completion(proposeRuns, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run(cmd.Context())
	}
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

// run changes nothing but spec.suspend, and says what follows.
func (o *suspendOptions) run(ctx context.Context) error {
	cl, namespace, err := o.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if err := o.mustGoOn(r); err != nil {
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
		return printObject(printer, r, o.Out)
	}
	switch {
	case already:
		fmt.Fprintf(o.Out, "run %s is %s already\n", r.Name, map[bool]string{true: "suspended", false: "not suspended"}[o.suspend])
	case o.suspend:
		fmt.Fprintf(o.Out, "run %s is suspended: its pods save themselves and end\n", r.Name)
		fmt.Fprintf(o.ErrOut, "Go on: plumb resume %s%s\n", r.Name, o.inNamespace())
	default:
		fmt.Fprintf(o.Out, "run %s goes on from its checkpoints\n", r.Name)
		fmt.Fprintf(o.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, o.inNamespace())
	}
	return nil
}

// mustGoOn refuses what could not have an effect: a run that has ended stays as it is.
func (c *cluster) mustGoOn(r *api.TrainingRun) error {
	if over, _ := ended(r); over {
		return fmt.Errorf("run %q has ended (%s), which nothing changes\nAnother run from its checkpoints: plumb retry %s%s", r.Name, phaseOf(r), r.Name, c.inNamespace())
	}
	return nil
}
