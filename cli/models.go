package main

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
)

// modelsOptions are what `plumb models` was asked.
type modelsOptions struct {
	io      *ioStreams
	cluster *cluster
	now     func() time.Time

	model  string // "" for all
	all    bool
	output output
}

func newCmdModels(f *factory, runF func(context.Context, *modelsOptions) error) *cobra.Command {
	if runF == nil {
		runF = runModels
	}
	o := &modelsOptions{io: f.io, cluster: f.cluster, now: f.now}
	cmd := &cobra.Command{
		Use:   "models [MODEL]",
		Short: "List models and their versions: where each came from and where it is",
		Long: `List models and their versions: where each came from and where it is.

-o prints the versions alone, as ModelVersions; kubectl get models -o yaml prints the models.`,
		Example: `  plumb models
  plumb models erasers
  plumb models erasers -o json`,
		Args:              arguments(0, "MODEL"),
		ValidArgsFunction: f.cluster.completion(proposeModels, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.model = args[0]
			}
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "list the models of all namespaces")
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

func runModels(ctx context.Context, o *modelsOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	if o.all {
		namespace = ""
	}
	var models api.ModelList
	if err := cl.List(ctx, &models, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list models in %s: %w", where(namespace), err)
	}
	var versions api.ModelVersionList
	if err := cl.List(ctx, &versions, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list model versions in %s: %w", where(namespace), err)
	}
	if o.model != "" {
		models.Items = slices.DeleteFunc(models.Items, func(m api.Model) bool { return m.Name != o.model })
		versions.Items = slices.DeleteFunc(versions.Items, func(v api.ModelVersion) bool { return v.Spec.Model != o.model })
		if len(models.Items)+len(versions.Items) == 0 {
			return fmt.Errorf("model %q does not exist in %s\nSee which do: plumb models -A", o.model, where(namespace))
		}
	}
	sortVersions(versions.Items)
	if printer := o.output.printer(); printer != nil {
		return printObject(printer, &versions, o.io.Out)
	}
	if len(models.Items)+len(versions.Items) == 0 {
		fmt.Fprintf(o.io.ErrOut, "There are no models in %s. plumb promote RUN --model NAME shows how to make one.\n", where(namespace))
		return nil
	}
	o.io.printLines(o.table(models.Items, versions.Items))
	return nil
}

func sortVersions(versions []api.ModelVersion) {
	slices.SortFunc(versions, func(a, b api.ModelVersion) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Spec.Model, b.Spec.Model), cmp.Compare(a.Spec.Version, b.Spec.Version))
	})
}

// table shows every version, sorted already, then the models that have none.
func (o *modelsOptions) table(models []api.Model, versions []api.ModelVersion) []line {
	var t grid
	now := o.now()
	if o.all {
		t.header("NAMESPACE")
	}
	t.header("MODEL", "VERSION", "PUBLISHED", "RUN", "TRIAL", "EPOCH", "AUC-PR", "BY", "AGE", "URI")
	add := func(namespace string, cells ...string) {
		if o.all {
			cells = append([]string{namespace}, cells...)
		}
		t.row(cells...)
	}
	has := map[client.ObjectKey]bool{}
	for _, v := range versions {
		has[client.ObjectKey{Namespace: v.Namespace, Name: v.Spec.Model}] = true
		add(v.Namespace, v.Spec.Model, strconv.FormatInt(v.Spec.Version, 10), published(&v), v.Spec.Run.Name, v.Spec.Trial, strconv.Itoa(int(v.Spec.Epoch)),
			number(v.Spec.Metrics.AUCPR, 4), truncate(clean(v.Spec.PromotedBy), 32, o.io.style.cut), age(v.CreationTimestamp, now), v.Status.URI)
	}
	for _, m := range models {
		if !has[client.ObjectKeyFromObject(&m)] {
			add(m.Namespace, m.Name, "", "", "", "", "", "", "", age(m.CreationTimestamp, now), string(m.Spec.Registry.URI))
		}
	}
	return t.lines()
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
