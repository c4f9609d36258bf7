package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

func newSuspendCmd(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use:   "suspend RUN",
		Short: "Stop all pods of a run until it is resumed",
		Long: `Stop all pods of a run until it is resumed.

Each pod saves itself first and loses no finished epoch. Checkpoints stay, no retry is spent, and the run's clock stands. This sets
spec.suspend.`,
		Example:           `  plumb suspend erasers`,
		Args:              arguments(1, "RUN"),
		ValidArgsFunction: c.completion(proposeRuns, nil),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.setSuspend(cmd.Context(), args[0], true) },
	}
}

func newResumeCmd(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use:   "resume RUN",
		Short: "Let a suspended run go on from its checkpoints",
		Long: `Let a suspended run go on from its checkpoints. This takes spec.suspend back.

A run that has ended does not go on: plumb retry makes another one from its checkpoints.`,
		Example:           `  plumb resume erasers`,
		Args:              arguments(1, "RUN"),
		ValidArgsFunction: c.completion(proposeRuns, nil),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.setSuspend(cmd.Context(), args[0], false) },
	}
}

// setSuspend changes nothing but spec.suspend, and says what follows.
func (c *cluster) setSuspend(ctx context.Context, name string, suspend bool) error {
	cl, namespace, err := c.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, name)
	if err != nil {
		return err
	}
	if err := c.mustGoOn(r); err != nil {
		return err
	}
	if ptr.Deref(r.Spec.Suspend, false) == suspend {
		fmt.Fprintf(c.Out, "run %s is %s already\n", r.Name, map[bool]string{true: "suspended", false: "not suspended"}[suspend])
		return nil
	}
	before := r.DeepCopy()
	r.Spec.Suspend = &suspend
	if err := cl.Patch(ctx, r, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("change spec.suspend of run %q: %w", name, err)
	}
	if suspend {
		fmt.Fprintf(c.Out, "run %s is suspended: its pods save themselves and end\n", r.Name)
		fmt.Fprintf(c.ErrOut, "Go on: plumb resume %s%s\n", r.Name, c.inNamespace())
		return nil
	}
	fmt.Fprintf(c.Out, "run %s goes on from its checkpoints\n", r.Name)
	fmt.Fprintf(c.ErrOut, "Follow it: plumb watch %s%s\n", r.Name, c.inNamespace())
	return nil
}

// mustGoOn refuses what could not have an effect: a run that has ended stays as it is.
func (c *cluster) mustGoOn(r *api.TrainingRun) error {
	if over, _ := ended(r); over {
		return fmt.Errorf("run %q has ended (%s), which nothing changes\nAnother run from its checkpoints: plumb retry %s%s", r.Name, phaseOf(r), r.Name, c.inNamespace())
	}
	return nil
}
