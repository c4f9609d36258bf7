package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `Follow training runs on Kubernetes, see which ResNet depth is best, and promote it to a model.

A run (a TrainingRun, made with kubectl apply) has one trial per depth. The operator keeps the best AUC-PR checkpoint of the
whole sweep; promote makes it a numbered version of a model that TensorFlow Serving can load.

` + exitHelp

const rootExample = `  plumb list                              # the runs in this namespace
  plumb watch erasers                     # follow one until it ends
  plumb best erasers                      # what it found, and why
  plumb promote erasers --model erasers   # publish it
  plumb models erasers                    # the versions there are`

// usageTemplate is cobra's, without the flags that every verb takes: there are twenty of them, and they are kubectl's.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if and .HasParent .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}

-n, --context, --kubeconfig and the like are as in kubectl; "{{.Root.CommandPath}} options" lists them.{{if .HasAvailableSubCommands}}
Use "{{.CommandPath}} [command] --help" for more about a command.{{end}}
`

// newRootCmd is the whole command tree. started becomes true once a command line was accepted and its verb runs: what fails
// before that is the user's typing.
func newRootCmd(c *cluster, arg0 string) (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:           "plumb",
		Short:         "Follow training runs and promote the best depth",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceErrors: true, // explain prints them
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateFlagGroups(); err != nil { // cobra itself looks later, when the verb counts as started
				return err
			}
			*started = true
			return nil
		},
		DisableAutoGenTag: true,
		Version:           ownVersion().String(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.ErrOut)
	root.SetUsageTemplate(usageTemplate)
	c.flags.AddFlags(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("namespace", c.flagCompletion(proposeNamespaces, 0))
	_ = root.RegisterFlagCompletionFunc("context", c.proposeContexts)

	root.AddCommand(
		newListCmd(c), newWatchCmd(c), newBestCmd(c), newLogsCmd(c),
		newSuspendCmd(c), newResumeCmd(c), newStopCmd(c), newRetryCmd(c),
		newPromoteCmd(c), newModelsCmd(c), newPruneCmd(c),
		newDatasetCmd(c.IOStreams),
		newVersionCmd(c), newOptionsCmd(),
	)
	if name := filepath.Base(arg0); strings.HasPrefix(name, "kubectl-") {
		actAsPlugin(root, strings.ReplaceAll(name, "-", " "))
	}
	return root, started
}

// ownName is this program where help shows a command to type.
var ownName = regexp.MustCompile(`\bplumb\b`)

// actAsPlugin has help say `kubectl plumb`, which is how the user has called it and perhaps the only name that is installed.
func actAsPlugin(root *cobra.Command, called string) {
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: called}
	var rename func(*cobra.Command)
	rename = func(cmd *cobra.Command) {
		cmd.Long, cmd.Example = ownName.ReplaceAllString(cmd.Long, called), ownName.ReplaceAllString(cmd.Example, called)
		for _, sub := range cmd.Commands() {
			rename(sub)
		}
	}
	rename(root)
}

// newOptionsCmd prints the flags that every verb takes.
func newOptionsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Printf("These flags are kubectl's, and every command that talks to a cluster takes them:\n\n%s", cmd.Root().PersistentFlags().FlagUsages())
			return nil
		},
	}
}

// arguments wants between least and all of the named arguments, and says which are missing or too many.
func arguments(least int, names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%q is one argument too many", args[len(names)])
		}
		return nil
	}
}
