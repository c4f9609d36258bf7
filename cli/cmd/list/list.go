package list

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/cost"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/table"
	"plumbline.dev/plumbline/cli/text"
)

// Options holds the arguments and flags of `plumb list`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	All    bool
	Output output.Flag
}

// NewCmdList returns `plumb list`. runF, if not nil, receives the options instead of runList.
func NewCmdList(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runList
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List runs with their phase, progress and best trial",
		Long: `List runs with their phase, progress and best trial. The newest run is the last.

DONE counts the trials that have ended, and EPOCH the epochs that all trials have trained. BEST is the trial with
the best checkpoint, and AUC-PR its average precision on the validation split. GPU-H is the GPU-hours of all pods
of the run, or a dash if it used no GPU.`,
		Example: `  # List the runs in this namespace
  plumb list

  # List the runs in all namespaces
  plumb list -A

  # In a script: print one name a line
  plumb list -o name`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVarP(&o.All, "all-namespaces", "A", false, "list the runs in all namespaces")
	o.Output.AddTo(cmd, "json", "yaml", "name")
	return cmd
}

func runList(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	if o.All {
		namespace = ""
	}
	var runs api.TrainingRunList
	if err := cl.List(ctx, &runs, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list runs in %s: %w", cluster.DescribeNamespace(namespace), err)
	}
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, &runs, o.IO.Out)
	}
	if len(runs.Items) == 0 {
		listAll := " To list the runs in all namespaces: plumb list -A"
		if o.All {
			listAll = ""
		}
		fmt.Fprintf(o.IO.ErrOut,
			"There are no runs in %s. config/README.md (\"The first run\") says how to start one.%s\n",
			cluster.DescribeNamespace(namespace), listAll)
		return nil
	}
	o.IO.PrintLines(listTable(runs.Items, o.All, o.Now()))
	return nil
}

// listTable returns the table of runs, sorted by namespace and then by age. The newest run is the last, next to the
// prompt. showNamespace adds the column NAMESPACE.
func listTable(runs []api.TrainingRun, showNamespace bool, now time.Time) []text.Line {
	slices.SortStableFunc(runs, func(a, b api.TrainingRun) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Name, b.Name))
	})
	var t table.Grid
	if showNamespace {
		t.Header("NAMESPACE")
	}
	t.Header("NAME", "PHASE", "DONE", "BEST", "AUC-PR", "EPOCH", "GPU-H", "AGE")
	for _, r := range runs {
		best, aucPR := "-", "-"
		if b := r.Status.Best; b != nil {
			best, aucPR = b.Trial, runstate.Number(b.AUCPR, 4)
		}
		var row []string
		if showNamespace {
			row = append(row, r.Namespace)
		}
		row = append(row, r.Name, string(runstate.Phase(&r)), r.Status.Done, best, aucPR, r.Status.Progress,
			gpuHours(cost.OfRun(&r, now)), runstate.Age(r.CreationTimestamp, now))
		t.Row(row...)
	}
	return t.Lines()
}

// gpuHours returns the GPU-hours of a run, or "" if it used no GPU. A reader would take pod-hours in the same column
// for GPU-hours.
func gpuHours(c api.Cost) string {
	if c.GPUSeconds == 0 {
		return ""
	}
	return cost.ExpenseOf(c).Amount()
}
