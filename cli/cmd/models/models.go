package models

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/table"
	"plumbline.dev/plumbline/cli/text"
)

// Options are what `plumb models` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Model  string // "" for all
	All    bool
	Output output.Flag
}

// NewCmdModels returns `plumb models`. runF, if not nil, receives the options instead of runModels.
func NewCmdModels(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runModels
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "models [MODEL]",
		Short: "List models and their versions: where each came from and where it is",
		Long: `List models and their versions: where each came from and where it is.

-o prints the versions alone, as ModelVersions; kubectl get models -o yaml prints the models.`,
		Example: `  plumb models
  plumb models erasers
  plumb models erasers -o json`,
		Args:              arguments.Between(0, "MODEL"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeModels, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Model = args[0]
			}
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.All, "all-namespaces", "A", false, "list the models of all namespaces")
	o.Output.AddTo(cmd, "json", "yaml", "name")
	return cmd
}

func runModels(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	if o.All {
		namespace = ""
	}
	var models api.ModelList
	if err := cl.List(ctx, &models, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list models in %s: %w", cluster.DescribeNamespace(namespace), err)
	}
	var versions api.ModelVersionList
	if err := cl.List(ctx, &versions, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list model versions in %s: %w", cluster.DescribeNamespace(namespace), err)
	}
	if o.Model != "" {
		models.Items = slices.DeleteFunc(models.Items, func(m api.Model) bool { return m.Name != o.Model })
		versions.Items = slices.DeleteFunc(versions.Items, func(v api.ModelVersion) bool {
			return v.Spec.Model != o.Model
		})
		if len(models.Items)+len(versions.Items) == 0 {
			return fmt.Errorf("model %q does not exist in %s\nSee which do: plumb models -A",
				o.Model, cluster.DescribeNamespace(namespace))
		}
	}
	sortVersions(versions.Items)
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, &versions, o.IO.Out)
	}
	if len(models.Items)+len(versions.Items) == 0 {
		fmt.Fprintf(o.IO.ErrOut, "There are no models in %s. plumb promote RUN --model NAME shows how to make one.\n",
			cluster.DescribeNamespace(namespace))
		return nil
	}
	o.IO.PrintLines(o.table(models.Items, versions.Items))
	return nil
}

func sortVersions(versions []api.ModelVersion) {
	slices.SortFunc(versions, func(a, b api.ModelVersion) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Spec.Model, b.Spec.Model),
			cmp.Compare(a.Spec.Version, b.Spec.Version))
	})
}

// table shows every version, sorted already, then the models that have none.
func (o *Options) table(models []api.Model, versions []api.ModelVersion) []text.Line {
	var t table.Grid
	now := o.Now()
	if o.All {
		t.Header("NAMESPACE")
	}
	t.Header("MODEL", "VERSION", "PUBLISHED", "RUN", "TRIAL", "EPOCH", "AUC-PR", "BY", "AGE", "URI")
	add := func(namespace string, cells ...string) {
		if o.All {
			cells = append([]string{namespace}, cells...)
		}
		t.Row(cells...)
	}
	has := map[client.ObjectKey]bool{}
	for _, v := range versions {
		has[client.ObjectKey{Namespace: v.Namespace, Name: v.Spec.Model}] = true
		by := text.Truncate(text.Clean(v.Spec.PromotedBy), 32, o.IO.Style.Cut)
		add(v.Namespace, v.Spec.Model, strconv.FormatInt(v.Spec.Version, 10), published(&v),
			v.Spec.Run.Name, v.Spec.Trial, strconv.Itoa(int(v.Spec.Epoch)), runstate.Number(v.Spec.Metrics.AUCPR, 4),
			by, runstate.Age(v.CreationTimestamp, now), v.Status.URI)
	}
	for _, m := range models {
		if !has[client.ObjectKeyFromObject(&m)] {
			age := runstate.Age(m.CreationTimestamp, now)
			add(m.Namespace, m.Name, "", "", "", "", "", "", "", age, string(m.Spec.Registry.URI))
		}
	}
	return t.Lines()
}

// published is one word: yes, no (it never will be), or waiting.
func published(v *api.ModelVersion) string {
	switch {
	case meta.IsStatusConditionTrue(v.Status.Conditions, api.ConditionPublished):
		return "yes"
	case v.Status.CompletionTime != nil:
		return "no"
	}
	return "waiting"
}
