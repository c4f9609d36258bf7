package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/controlplane"
	"plumbline.dev/plumbline/hack/localcluster/natsd"
	"plumbline.dev/plumbline/hack/localcluster/node"
	"plumbline.dev/plumbline/hack/localcluster/supervisor"
)

func startCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:     "start COMPONENT",
		Short:   "Start one component and wait until it is ready",
		Example: "  localcluster start kube-scheduler",
		Args:    cobra.ExactArgs(1), ValidArgs: componentNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openComponent(t, args[0])
			if err != nil {
				return err
			}
			return startAndWait(cmd.Context(), c, cmd.OutOrStdout(), args[0])
		},
	}
}

func stopCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:     "stop COMPONENT",
		Short:   "Stop one component; the others keep running",
		Example: "  localcluster stop nats",
		Args:    cobra.ExactArgs(1), ValidArgs: componentNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openComponent(t, args[0])
			if err != nil {
				return err
			}
			if err := supervisor.NewClient(c).Stop(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "  %-24s stopped\n", args[0])
			return nil
		},
	}
}

func restartCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:     "restart COMPONENT",
		Short:   "Stop and start one component, with the same ports and data",
		Example: "  localcluster restart node        # its pods are killed and become Failed",
		Args:    cobra.ExactArgs(1), ValidArgs: componentNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openComponent(t, args[0])
			if err != nil {
				return err
			}
			if err := supervisor.NewClient(c).Stop(cmd.Context(), args[0]); err != nil {
				return err
			}
			return startAndWait(cmd.Context(), c, cmd.OutOrStdout(), args[0])
		},
	}
}

// openComponent returns the running cluster, or an error if no component has this name.
func openComponent(t *target, name string) (*cluster.Cluster, error) {
	if _, err := supervisor.Find(name); err != nil {
		return nil, err
	}
	return t.openRunning()
}

func componentNames() []string {
	var names []string
	for _, component := range supervisor.Components {
		names = append(names, component.Name)
	}
	return names
}

// componentCommand is the hidden command that the program executes itself with: one process for each component and one
// for the supervisor.
func componentCommand(t *target) *cobra.Command {
	var owner int
	cmd := &cobra.Command{
		Use:    "component NAME",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := t.open()
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			switch args[0] {
			case "supervisor":
				return supervisor.Run(cmd.Context(), c, owner, log)
			case supervisor.Etcd:
				return controlplane.RunEtcd(c)
			case supervisor.APIServer:
				return controlplane.RunAPIServer(c)
			case supervisor.ControllerManager:
				return controlplane.RunControllerManager(c)
			case supervisor.Scheduler:
				return controlplane.RunScheduler(c)
			case supervisor.NATS:
				return natsd.Run(c)
			case supervisor.Node:
				return node.Run(cmd.Context(), c, log)
			}
			return fmt.Errorf("there is no component %q", args[0])
		},
	}
	cmd.Flags().IntVar(&owner, "owner-pid", 0, "end when the process with this number ends (default: none)")
	return cmd
}
