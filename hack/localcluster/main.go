package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		os.Exit(1)
	}
}

// target is the directory that a command works on.
type target struct{ dir string }

func rootCommand() *cobra.Command {
	t := &target{}
	root := &cobra.Command{
		Use:   "localcluster",
		Short: "A Kubernetes cluster on this machine: no containers, no root",
		Long: `localcluster runs a real Kubernetes control plane, a NATS server and one node as
ordinary processes on loopback. The node runs containers as local processes: it looks
up an image's name in a table of local programs. All state is in one directory.`,
		Example: `  localcluster up                                  # start it, or show what runs
  localcluster up --gpus 5 --image plumbline.dev/trainer:dev=$PWD/bin/plumbline-trainer
  eval "$(localcluster env)"                       # point kubectl, plumb and nats at it
  localcluster kubectl get pods -A
  localcluster restart nats
  localcluster down`,
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true, // so that --dir is read before kubectl's own flags
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q; `localcluster --help` lists them", args[0])
			}
			return cmd.Help()
		},
	}
	if f := pflag.CommandLine.Lookup("version"); f != nil {
		f.Hidden = true // Kubernetes' packages, which are linked in, declare this flag for every program
	}
	root.PersistentFlags().StringVar(&t.dir, "dir", "",
		"state directory (default $PLUMBLINE_CLUSTER_DIR, else plumbline/cluster in the user's cache)")
	root.AddCommand(
		upCommand(t), downCommand(t), statusCommand(t), kubectlCommand(t), envCommand(t),
		startCommand(t), stopCommand(t), restartCommand(t),
		imageCommand(t), volumeCommand(t), componentCommand(t),
	)
	return root
}

// resolve returns the directory as an absolute path.
func (t *target) resolve() (string, error) {
	if t.dir == "" {
		return cluster.DefaultDir()
	}
	return filepath.Abs(t.dir)
}

// open returns the cluster in the directory, which must exist already.
func (t *target) open() (*cluster.Cluster, error) {
	dir, err := t.resolve()
	if err != nil {
		return nil, err
	}
	return cluster.Open(dir)
}

// openRunning returns the cluster in the directory, which must be running.
func (t *target) openRunning() (*cluster.Cluster, error) {
	c, err := t.open()
	if err != nil {
		return nil, err
	}
	if id, err := proc.ReadPIDFile(c.PIDFile("supervisor")); err != nil || !id.Alive() {
		return nil, fmt.Errorf("the cluster in %s is not running; `localcluster up` starts it", c.Dir)
	}
	return c, nil
}
