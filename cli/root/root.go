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

A run is a TrainingRun, which kubectl apply creates. It trains one trial for each ResNet depth. The operator
selects the checkpoint with the highest AUC-PR of all trials. "plumb promote" publishes that checkpoint as a
numbered version of a model that TensorFlow Serving can load.

` + exitcode.Help

const example = `  # List the runs in this namespace
  plumb list

  # Follow the run "erasers" until it ends
  plumb watch erasers

  # Show its best checkpoint, and why it is the best
  plumb best erasers

  # Publish this checkpoint as a version of the model "erasers"
  plumb promote erasers --model erasers

  # List the versions of that model
  plumb models erasers`

// usageTemplate is cobra's template without the flags that every verb takes: there are twenty of them, and they are
// kubectl's.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if and .HasParent .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}

-n, --context, --kubeconfig and other flags are the same as in kubectl. "{{.Root.CommandPath}} options" lists them.
{{- if .HasAvailableSubCommands}}
"{{.CommandPath}} [command] --help" says more about a command.{{end}}
`

// Plumb is the command tree.
type Plumb struct {
	*cobra.Command
	streams *iostreams.IOStreams
	// started is set when the command line has been accepted and its verb runs. An error before that is a mistake in
	// the command line.
	started bool
}

// New returns the command tree with these verbs, version being the text that --version prints.
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
			// Cobra checks the groups too, but only after this function, when the verb already counts as started.
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

// Execute runs one command line, given without the program's name, and returns an exit code of package exitcode. It
// prints an error to stderr, followed by a next step where one is known.
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

// ownName matches this program's name where help shows a command to type.
var ownName = regexp.MustCompile(`\bplumb\b`)

// ActAsPlugin replaces "plumb" in all help texts by called, such as "kubectl plumb". The user has called the program
// so, and may have installed it under no other name.
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

// newOptionsCmd returns `plumb options`, which prints the flags that every verb takes.
func newOptionsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "List the flags that every command takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Printf("Every command that connects to a cluster takes these flags, which are kubectl's:\n\n%s",
				cmd.Root().PersistentFlags().FlagUsages())
			return nil
		},
	}
}
