package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
	"plumbline.dev/plumbline/hack/localcluster/supervisor"
)

func downCommand(t *target) *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop everything, pods' processes included; keep the state",
		Long: `Stop the cluster as a power cut would stop a node: pods are killed, not drained.
The state stays for the next up, whose node reports the pods that it lost as failed.`,
		Example: `  localcluster down
  localcluster down --purge        # and delete the state directory`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			dir, err := t.resolve()
			if err != nil {
				return err
			}
			c, err := cluster.Open(dir)
			if errors.Is(err, cluster.ErrNone) {
				fmt.Fprintln(out, "no cluster in", dir)
				return nil
			}
			if err != nil {
				return err
			}
			unlock, err := cluster.Lock(dir, func() { fmt.Fprintln(out, "waiting for another localcluster command on", dir) })
			if err != nil {
				return err
			}
			defer unlock()
			if err := shutDown(c, out); err != nil || !purge {
				return err
			}
			if err := c.Purge(); err != nil {
				return err
			}
			fmt.Fprintln(out, "deleted", dir)
			return nil
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "delete the state directory too (volumes over other directories keep their files)")
	return cmd
}

// shutDown asks the supervisor; what does not listen is killed. Afterwards nothing
// that carries the cluster's mark is left, which is looked at and not assumed.
func shutDown(c *cluster.Cluster, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	id, err := proc.ReadPIDFile(c.PIDFile("supervisor"))
	if err != nil || !id.Alive() {
		if err := proc.KillMarked(c.Config.ID); err != nil {
			return err
		}
		fmt.Fprintln(out, "not running:", c.Dir)
		return nil
	}
	begin := time.Now()
	if err := supervisor.NewClient(c).Shutdown(ctx); err != nil || !id.WaitGone(15*time.Second) {
		fmt.Fprintf(out, "the supervisor (pid %d) does not end when asked to; killing it\n", id.PID)
		if err := id.Signal(unix.SIGKILL); err != nil {
			return err
		}
	}
	if err := proc.KillMarked(c.Config.ID); err != nil {
		return err
	}
	fmt.Fprintf(out, "stopped %s after %.1f s\n", c.Dir, time.Since(begin).Seconds())
	return nil
}
