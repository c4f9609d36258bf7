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
		Short: "Stop all components and pods; keep the state",
		Long: `Stop the cluster as a power cut would stop a node: pods are killed, not drained. The
state stays for the next up. The node that up starts then marks the killed pods as Failed.`,
		Example: `  localcluster down
  localcluster down --purge        # also deletes the state directory`,
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
			unlock, err := lock(dir, out)
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
	cmd.Flags().BoolVar(&purge, "purge", false,
		"also delete the state directory; volumes in other directories keep their files")
	return cmd
}

// lock locks the directory for this command. If another command holds the lock, lock
// says so on out and waits.
func lock(dir string, out io.Writer) (unlock func(), err error) {
	return cluster.Lock(dir, func() { fmt.Fprintln(out, "waiting for another localcluster command on", dir) })
}

// shutDown asks the supervisor to end the cluster, and kills a supervisor that does not
// end. Then it looks for processes that still carry the cluster's marker and kills them.
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
		fmt.Fprintf(out, "the supervisor (pid %d) did not end when asked to; killing it\n", id.PID)
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
