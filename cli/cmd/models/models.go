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

// Options holds the arguments and flags of `plumb models`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Model  string // "": all models
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
		Short: "List models and their versions",
		Long: `List models and their versions.

RUN, TRIAL and EPOCH say which checkpoint became the version, and BY who promoted it. AUC-PR is the average precision
on the validation split. PUBLISHED is "yes", "waiting", or "no" if publishing has failed. URI is where the version is
published; for a model without a version it is the registry.

-o prints the ModelVersions only. To print the Models: kubectl get models -o yaml`,
		Example: `  # List all models in this namespace, with their versions
  plumb models

  # List the versions of one model
  plumb models erasers

  # In a script: print the ModelVersions of one model
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
	cmd.Flags().BoolVarP(&o.All, "all-namespaces", "A", false, "list the models in all namespaces")
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
			return fmt.Errorf("model %q does not exist in %s\nTo list the models in all namespaces: plumb models -A",
				o.Model, cluster.DescribeNamespace(namespace))
		}
	}
	sortVersions(versions.Items)
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, &versions, o.IO.Out)
	}
	if len(models.Items)+len(versions.Items) == 0 {
		fmt.Fprintf(o.IO.ErrOut,
			"There are no models in %s. To see how to create one: plumb promote RUN --model NAME\n",
			cluster.DescribeNamespace(namespace))
		return nil
	}
	o.IO.PrintLines(o.table(models.Items, versions.Items))
	return nil
}

// sortVersions sorts by namespace, model and version number.
func sortVersions(versions []api.ModelVersion) {
	slices.SortFunc(versions, func(a, b api.ModelVersion) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Spec.Model, b.Spec.Model),
			cmp.Compare(a.Spec.Version, b.Spec.Version))
	})
}

// table returns the table of the versions, in their order, and below them the models that have no version.
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
	hasVersion := map[client.ObjectKey]bool{}
	for _, v := range versions {
		hasVersion[client.ObjectKey{Namespace: v.Namespace, Name: v.Spec.Model}] = true
		by := text.Truncate(text.Clean(v.Spec.PromotedBy), 32, o.IO.Style.Cut)
		add(v.Namespace, v.Spec.Model, strconv.FormatInt(v.Spec.Version, 10), published(&v),
			v.Spec.Run.Name, v.Spec.Trial, strconv.Itoa(int(v.Spec.Epoch)), runstate.Number(v.Spec.Metrics.AUCPR, 4),
			by, runstate.Age(v.CreationTimestamp, now), v.Status.URI)
	}
	for _, m := range models {
		if !hasVersion[client.ObjectKeyFromObject(&m)] {
			age := runstate.Age(m.CreationTimestamp, now)
			add(m.Namespace, m.Name, "", "", "", "", "", "", "", age, string(m.Spec.Registry.URI))
		}
	}
	return t.Lines()
}

// published returns one word: yes, no if publishing has failed for good, or waiting.
func published(v *api.ModelVersion) string {
	switch {
	case meta.IsStatusConditionTrue(v.Status.Conditions, api.ConditionPublished):
		return "yes"
	case v.Status.CompletionTime != nil:
		return "no"
	}
	return "waiting"
}
