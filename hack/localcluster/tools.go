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

// kubectlCommand runs the real kubectl, which is linked in, against this cluster.
func kubectlCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "kubectl ...",
		Short: "Run kubectl against this cluster",
		Example: `  localcluster kubectl get pods -A
  localcluster --dir /tmp/second kubectl logs -f some-pod`,
		DisableFlagParsing: true, // all flags after "kubectl" belong to kubectl
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := t.open()
			if err != nil {
				return err
			}
			signal.Reset(os.Interrupt, unix.SIGTERM) // Ctrl-C ends `logs -f`, as it does in kubectl
			if err := os.Setenv("KUBECONFIG", c.Kubeconfig()); err != nil {
				return err
			}
			os.Args = append([]string{"kubectl"}, args...) // kubectl reads them to find its plugins
			cmd := kubectl.NewDefaultKubectlCommandWithArgs(kubectl.KubectlOptions{
				PluginHandler: kubectl.NewDefaultPluginHandler([]string{"kubectl"}),
				Arguments:     os.Args,
				IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
			})
			cmd.SetArgs(args)
			if err := cli.RunNoErrOutput(cmd); err != nil {
				kubectlutil.CheckErr(err) // prints the error as kubectl does and ends with kubectl's exit code
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
			// No quoting is needed: cluster.CheckPath refused every path that would need quotes.
			const lines = `export PLUMBLINE_CLUSTER_DIR=%s
export KUBECONFIG=%s
export NATS_URL=%s
export NATS_CREDS=%s
`
			fmt.Fprintf(cmd.OutOrStdout(), lines, c.Dir, c.Kubeconfig(), c.NATS(), natsd.AdminCreds(c))
			return nil
		},
	}
}
