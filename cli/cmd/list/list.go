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

// Options are what `plumb list` was asked.
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
		Short:   "List runs: phase, trials ended, best depth and its AUC-PR",
		Example: `  plumb list
  plumb list -A            # of all namespaces
  plumb list -o name       # for scripts`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVarP(&o.All, "all-namespaces", "A", false, "list the runs of all namespaces")
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
		elsewhere := "; all namespaces: plumb list -A"
		if o.All {
			elsewhere = ""
		}
		fmt.Fprintf(o.IO.ErrOut, "There are no runs in %s. config/README.md (\"The first run\") starts one%s\n",
			cluster.DescribeNamespace(namespace), elsewhere)
		return nil
	}
	o.IO.PrintLines(listTable(runs.Items, o.All, o.Now()))
	return nil
}

// listTable shows runs, those of a namespace together, the newest last as it is nearest to the prompt.
func listTable(runs []api.TrainingRun, namespaces bool, now time.Time) []text.Line {
	slices.SortStableFunc(runs, func(a, b api.TrainingRun) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Name, b.Name))
	})
	var t table.Grid
	if namespaces {
		t.Header("NAMESPACE")
	}
	t.Header("NAME", "PHASE", "DONE", "BEST", "AUC-PR", "EPOCH", "GPU-H", "AGE")
	for _, r := range runs {
		best, aucPR := "-", "-"
		if b := r.Status.Best; b != nil {
			best, aucPR = b.Trial, runstate.Number(b.AUCPR, 4)
		}
		var row []string
		if namespaces {
			row = append(row, r.Namespace)
		}
		row = append(row, r.Name, string(runstate.Phase(&r)), r.Status.Done, best, aucPR, r.Status.Progress,
			gpuHours(cost.OfRun(&r, now)), runstate.Age(r.CreationTimestamp, now))
		t.Row(row...)
	}
	return t.Lines()
}

// gpuHours leaves out what ran without a GPU: in one column both would be added up in a reader's head.
func gpuHours(c api.Cost) string {
	if c.GPUSeconds == 0 {
		return ""
	}
	return cost.ExpenseOf(c).Amount()
}
