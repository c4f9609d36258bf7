package main

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
)

// listOptions are what `plumb list` was asked.
type listOptions struct {
	io      *ioStreams
	cluster *cluster
	now     func() time.Time

	all    bool
	output output
}

func newCmdList(f *factory, runF func(context.Context, *listOptions) error) *cobra.Command {
	if runF == nil {
		runF = runList
	}
	o := &listOptions{io: f.io, cluster: f.cluster, now: f.now}
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
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "list the runs of all namespaces")
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

func runList(ctx context.Context, o *listOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	if o.all {
		namespace = ""
	}
	var runs api.TrainingRunList
	if err := cl.List(ctx, &runs, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list runs in %s: %w", where(namespace), err)
	}
	if printer := o.output.printer(); printer != nil {
		return printObject(printer, &runs, o.io.Out)
	}
	if len(runs.Items) == 0 {
		elsewhere := "; all namespaces: plumb list -A"
		if o.all {
			elsewhere = ""
		}
		fmt.Fprintf(o.io.ErrOut, "There are no runs in %s. config/README.md (\"The first run\") starts one%s\n", where(namespace), elsewhere)
		return nil
	}
	o.io.printLines(listTable(runs.Items, o.all, o.now()))
	return nil
}

// listTable shows runs, those of a namespace together, the newest last as it is nearest to the prompt.
func listTable(runs []api.TrainingRun, namespaces bool, now time.Time) []line {
	slices.SortStableFunc(runs, func(a, b api.TrainingRun) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	var t grid
	if namespaces {
		t.header("NAMESPACE")
	}
	t.header("NAME", "PHASE", "DONE", "BEST", "AUC-PR", "EPOCH", "GPU-H", "AGE")
	for _, r := range runs {
		best, aucPR := "-", "-"
		if b := r.Status.Best; b != nil {
			best, aucPR = b.Trial, number(b.AUCPR, 4)
		}
		var row []string
		if namespaces {
			row = append(row, r.Namespace)
		}
		t.row(append(row, r.Name, string(phaseOf(&r)), r.Status.Done, best, aucPR, r.Status.Progress, gpuHours(costOfRun(&r, now)), age(r.CreationTimestamp, now))...)
	}
	return t.lines()
}

// gpuHours leaves out what ran without a GPU: in one column both would be added up in a reader's head.
func gpuHours(c api.Cost) string {
	if c.GPUSeconds == 0 {
		return ""
	}
	return expenseOf(c).amount()
}
