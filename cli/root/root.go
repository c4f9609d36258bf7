package root

import (
	"context"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/iostreams"
)

const help = `Follow training runs on Kubernetes, see which ResNet depth is best, and promote it to a model.

A run (a TrainingRun, made with kubectl apply) has one trial per depth. The operator keeps the best AUC-PR checkpoint of the
whole sweep; promote makes it a numbered version of a model that TensorFlow Serving can load.

` + exitcode.Help

const example = `  plumb list                              # the runs in this namespace
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

// Plumb is the command tree.
type Plumb struct {
	*cobra.Command
	streams *iostreams.IOStreams
	started bool // a command line was accepted, and its verb runs: what fails before that is the user's typing
}

// New returns the command tree with the verbs, in the order in which help lists them.
func New(f *factory.Factory, version string, verbs ...*cobra.Command) *Plumb {
	p := &Plumb{streams: f.IO}
	p.Command = &cobra.Command{
		Use:           "plumb",
		Short:         "Follow training runs and promote the best depth",
		Long:          help,
		Example:       example,
		SilenceErrors: true, // Execute prints them
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// cobra itself looks later, when the verb counts as started.
			if err := cmd.ValidateFlagGroups(); err != nil {
				return err
			}
			p.started = true
			return nil
		},
		DisableAutoGenTag: true,
		Version:           version,
	}
	p.SetVersionTemplate("{{.Version}}\n")
	p.SetIn(f.IO.In)
	p.SetOut(f.IO.Out)
	p.SetErr(f.IO.ErrOut)
	p.SetUsageTemplate(usageTemplate)
	f.Cluster.AddFlags(p.Command)
	p.AddCommand(verbs...)
	p.AddCommand(newOptionsCmd())
	return p
}

// Execute runs one command line, without the program's name, and returns the exit code that package exitcode documents.
// An error is printed to stderr, with the next step where there is one.
func (p *Plumb) Execute(ctx context.Context, args []string) int {
	p.SetArgs(args)
	cmd, err := p.ExecuteContextC(ctx)
	code := exitcode.Of(ctx, err, p.started)
	usage := ""
	if !p.started {
		usage = "See: " + cmd.CommandPath() + " --help"
	}
	if message := failure.Explain(err, usage); message != "" && code != exitcode.Interrupted {
		fmt.Fprintln(p.streams.ErrOut, message)
	}
	return code
}

// ownName is this program where help shows a command to type.
var ownName = regexp.MustCompile(`\bplumb\b`)

// ActAsPlugin has help say `kubectl plumb`, which is how the user has called it and perhaps the only name that is
// installed.
func (p *Plumb) ActAsPlugin(called string) {
	p.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: called}
	var rename func(*cobra.Command)
	rename = func(cmd *cobra.Command) {
		cmd.Long = ownName.ReplaceAllString(cmd.Long, called)
		cmd.Example = ownName.ReplaceAllString(cmd.Example, called)
		for _, sub := range cmd.Commands() {
			rename(sub)
		}
	}
	rename(p.Command)
}

// newOptionsCmd prints the flags that every verb takes.
func newOptionsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Printf("These flags are kubectl's, and every command that talks to a cluster takes them:\n\n%s",
				cmd.Root().PersistentFlags().FlagUsages())
			return nil
		},
	}
}
