package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/natsd"
	"plumbline.dev/plumbline/hack/localcluster/node"
	"plumbline.dev/plumbline/hack/localcluster/proc"
	"plumbline.dev/plumbline/hack/localcluster/supervisor"
)

type upOptions struct {
	node       cluster.Node
	images     []string
	volumes    []string
	foreground bool
	ownerPID   int
	timeout    time.Duration
}

func upCommand(t *target) *cobra.Command {
	o := &upOptions{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or show the one that runs",
		Long: `Start the cluster in the background and return when it is ready. If the cluster runs
already, show its components and start those that are dead.

The sizes of the node (--cpu, --memory, --gpus, --pods) are saved: a later up without the
flag keeps them.`,
		Example: `  localcluster up
  localcluster --dir /tmp/second up                # beside the first
  localcluster up --gpus 5 --volume data=$PWD/data --volume store=$PWD/store
  localcluster up --foreground                     # ends with Ctrl-C
  localcluster up --owner-pid $$                   # ends when this shell ends or is killed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUp(cmd.Context(), t, o, cmd.Flags().Changed, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.node.CPU, "cpu", "", "CPUs that the node offers (default: all of the machine's)")
	f.StringVar(&o.node.Memory, "memory", "", "memory that the node offers (default: all of the machine's)")
	f.IntVar(&o.node.GPUs, "gpus", 0, "number of simulated nvidia.com/gpu that the node offers")
	f.IntVar(&o.node.Pods, "pods", 0, "most pods that run at the same time (default: 110, as with the kubelet)")
	f.StringArrayVar(&o.images, "image", nil, "NAME=PROGRAM: run this local program for this image (repeatable)")
	f.StringArrayVar(&o.volumes, "volume", nil,
		"NAME=PATH: make a PersistentVolume over a local directory (repeatable; see localcluster volume --help)")
	f.BoolVar(&o.foreground, "foreground", false,
		"do not return, and end the cluster on Ctrl-C or when this process is killed")
	f.IntVar(&o.ownerPID, "owner-pid", 0, "end the cluster when the process with this number ends")
	f.DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long to wait until the cluster is ready")
	return cmd
}

func runUp(ctx context.Context, t *target, o *upOptions, changed func(string) bool, out io.Writer) error {
	dir, err := t.resolve()
	if err != nil {
		return err
	}
	volumes, err := volumeFlags(o.volumes)
	if err != nil {
		return err
	}
	unlock, err := lock(dir, out)
	if err != nil {
		return err
	}
	defer unlock()
	begin := time.Now()
	c, notes, err := prepare(dir, o, changed)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "cluster", c.Dir)
	if o.foreground {
		o.ownerPID = os.Getpid()
	}
	ready, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := ensureSupervisor(ready, c, o.ownerPID, out); err != nil {
		return err
	}
	if err := startAll(ready, c, out); err != nil {
		return err
	}
	for _, v := range volumes {
		if err := applyVolume(ready, c, v); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "ready after %.1f s\n", time.Since(begin).Seconds())
	for _, note := range notes {
		fmt.Fprintln(out, note)
	}
	printHowTo(out, c)
	if !o.foreground {
		return nil
	}
	unlock()
	fmt.Fprintln(out, "\nrunning in the foreground; Ctrl-C ends the cluster")
	<-ctx.Done()
	return shutDown(c, out)
}

// prepare opens or makes the state directory, and writes every file that the processes
// read. It returns the cluster and notes for the user.
func prepare(dir string, o *upOptions, changed func(string) bool) (*cluster.Cluster, []string, error) {
	if err := o.node.Check(); err != nil {
		return nil, nil, err
	}
	var notes []string
	c, err := cluster.Open(dir)
	switch {
	case errors.Is(err, cluster.ErrNone):
		if c, err = cluster.Create(dir, o.node); err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, err
	default:
		before := c.Config.Node
		for flag, set := range map[string]func(){
			"cpu":    func() { c.Config.Node.CPU = o.node.CPU },
			"memory": func() { c.Config.Node.Memory = o.node.Memory },
			"gpus":   func() { c.Config.Node.GPUs = o.node.GPUs },
			"pods":   func() { c.Config.Node.Pods = o.node.Pods },
		} {
			if changed(flag) {
				set()
			}
		}
		if c.Config.Node != before {
			if id, err := proc.ReadPIDFile(c.PIDFile(supervisor.Node)); err == nil && id.Alive() {
				notes = append(notes, "note: the running node keeps its old size; "+
					"`localcluster restart node` gives it the new one and ends its pods")
			}
		}
		if err := c.Save(); err != nil {
			return nil, nil, err
		}
	}
	for _, i := range o.images {
		if err := node.SetImageFlag(c, i); err != nil {
			return nil, nil, err
		}
	}
	if err := c.EnsureCertificates(); err != nil {
		return nil, nil, err
	}
	if err := c.EnsureKubeconfigs(); err != nil {
		return nil, nil, err
	}
	return c, notes, natsd.Ensure(c)
}

// ensureSupervisor finds the running supervisor. If there is none, it ends what a crashed
// cluster left running, then starts a supervisor.
func ensureSupervisor(ctx context.Context, c *cluster.Cluster, owner int, out io.Writer) error {
	if id, err := proc.ReadPIDFile(c.PIDFile("supervisor")); err == nil && id.Alive() {
		if owner != 0 {
			return fmt.Errorf("the cluster runs already (supervisor: pid %d), so it cannot be tied to process %d; "+
				"run `localcluster down` first", id.PID, owner)
		}
		printRunning(out, "supervisor", id)
		return nil
	}
	if err := proc.KillMarked(c.Config.ID); err != nil {
		return err
	}
	return supervisor.Launch(ctx, c, owner)
}

// startAll starts the components that do not run. Each starts when the components that
// it needs are ready.
func startAll(ctx context.Context, c *cluster.Cluster, out io.Writer) error {
	for _, wave := range [][]string{
		{supervisor.Etcd, supervisor.NATS},
		{supervisor.APIServer},
		{supervisor.ControllerManager, supervisor.Scheduler, supervisor.Node},
	} {
		if err := startAndWait(ctx, c, out, wave...); err != nil {
			return err
		}
	}
	// The API server refuses pods while this account is missing; the controller manager
	// makes it a moment after its own start.
	return waitFor(ctx, c, "the default service account", supervisor.ControllerManager, defaultServiceAccount)
}

// startAndWait starts components together and blocks until each of them is ready.
func startAndWait(ctx context.Context, c *cluster.Cluster, out io.Writer, names ...string) error {
	client := supervisor.NewClient(c)
	before, err := client.Status(ctx)
	if err != nil {
		return err
	}
	ran := map[string]bool{}
	for _, st := range before {
		ran[st.Name] = st.Running
	}
	begin := time.Now()
	for _, name := range names {
		if err := portsFree(c, name); !ran[name] && err != nil {
			return err
		}
		if err := client.Start(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := waitFor(ctx, c, name, name, readiness[name]); err != nil {
			return err
		}
		id, err := proc.ReadPIDFile(c.PIDFile(name))
		if err != nil {
			return fmt.Errorf("%s has ended; see %s", name, c.LogFile(name))
		}
		if ran[name] {
			printRunning(out, name, id)
		} else {
			fmt.Fprintf(out, "  %-24s pid %d, ready after %.1f s\n", name, id.PID, time.Since(begin).Seconds())
		}
	}
	return nil
}

func printRunning(out io.Writer, name string, id proc.ID) {
	fmt.Fprintf(out, "  %-24s pid %d, running since %s\n", name, id.PID, id.StartedAt().Format(time.TimeOnly))
}

// portsFree returns an error if another program holds a port of the component. Without
// this check the user would find the cause only in the component's log.
func portsFree(c *cluster.Cluster, name string) error {
	for _, port := range c.Config.Ports.Of(name) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return fmt.Errorf("start %s: another program holds its port (%w); end that program, or choose new ports "+
				"and lose the cluster's state: localcluster --dir %s down --purge", name, err, c.Dir)
		}
		l.Close()
	}
	return nil
}

func printHowTo(out io.Writer, c *cluster.Cluster) {
	fmt.Fprintf(out, `
Point this shell's kubectl, plumb and nats at it:
  eval "$(localcluster --dir %[1]s env)"
or by hand:
  kubectl   export KUBECONFIG=%[2]s
  plumb     takes the same KUBECONFIG
  nats      nats --server %[3]s --creds %[4]s stream ls
If kubectl is not installed: localcluster --dir %[1]s kubectl get nodes
`, c.Dir, c.Kubeconfig(), c.NATS(), natsd.AdminCreds(c))
}
