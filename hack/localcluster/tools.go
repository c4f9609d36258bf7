package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"

	"plumbline.dev/plumbline/hack/localcluster/natsd"
)

// kubectlCommand is the real kubectl, pointed at this cluster.
func kubectlCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl ...",
		Short: "Run kubectl against this cluster",
		Example: `  localcluster kubectl get pods -A
  localcluster --dir /tmp/second kubectl logs -f some-pod`,
		DisableFlagParsing: true, // everything after the word is kubectl's
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := t.open()
			if err != nil {
				return err
			}
			signal.Reset(os.Interrupt, unix.SIGTERM) // Ctrl-C ends `logs -f`, as it does in kubectl
			if err := os.Setenv("KUBECONFIG", c.Kubeconfig()); err != nil {
				return err
			}
			os.Args = append([]string{"kubectl"}, args...) // it reads them, for its plugins
			cmd := kubectl.NewDefaultKubectlCommandWithArgs(kubectl.KubectlOptions{
				PluginHandler: kubectl.NewDefaultPluginHandler([]string{"kubectl"}),
				Arguments:     os.Args,
				IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
			})
			cmd.SetArgs(args)
			if err := cli.RunNoErrOutput(cmd); err != nil {
				kubectlutil.CheckErr(err) // prints as kubectl does, and ends with its exit code
			}
			return nil
		},
	}
}

func envCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Short:   "Print the lines that point a shell at this cluster",
		Example: `  eval "$(localcluster env)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.open()
			if err != nil {
				return err
			}
			// No quoting is needed: cluster.CheckPath refused everything that would.
			fmt.Fprintf(cmd.OutOrStdout(), "export PLUMBLINE_CLUSTER_DIR=%s\nexport KUBECONFIG=%s\nexport NATS_URL=%s\nexport NATS_CREDS=%s\n",
				c.Dir, c.Kubeconfig(), c.NATS(), natsd.AdminCreds(c))
			return nil
		},
	}
}
