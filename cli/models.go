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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// modelsOptions are what `plumb models` was asked.
type modelsOptions struct {
	*cluster
	model  string // "" for all
	all    bool
	output output
}

func newModelsCmd(c *cluster) *cobra.Command {
	o := &modelsOptions{cluster: c}
	cmd := &cobra.Command{
		Use:   "models [MODEL]",
		Short: "List models and their versions: where each came from and where it is",
		Long: `List models and their versions: where each came from and where it is.

-o prints the versions alone, as ModelVersions; kubectl get models -o yaml prints the models.`,
		Example: `  plumb models
  plumb models erasers
  plumb models erasers -o json`,
		Args:              arguments(0, "MODEL"),
		ValidArgsFunction: c.completion(proposeModels, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.model = args[0]
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&o.all, "all-namespaces", "A", false, "list the models of all namespaces")
	o.output.addTo(cmd, "json", "yaml", "name")
	return cmd
}

func (o *modelsOptions) run(ctx context.Context) error {
	cl, namespace, err := o.connect()
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
		return printObject(printer, &versions, o.Out)
	}
	if len(models.Items)+len(versions.Items) == 0 {
		fmt.Fprintf(o.ErrOut, "There are no models in %s. plumb promote RUN --model NAME shows how to make one.\n", where(namespace))
		return nil
	}
	printLines(o.Out, modelsTable(models.Items, versions.Items, o.all, o.now()))
	return nil
}

func where(namespace string) string {
	if namespace == "" {
		return "any namespace"
	}
	return "namespace " + namespace
}

func sortVersions(versions []api.ModelVersion) {
	slices.SortFunc(versions, func(a, b api.ModelVersion) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Spec.Model, b.Spec.Model), cmp.Compare(a.Spec.Version, b.Spec.Version))
	})
}

// modelsTable shows every version, sorted already, then the models that have none.
func modelsTable(models []api.Model, versions []api.ModelVersion, namespaces bool, now time.Time) []line {
	var t grid
	if namespaces {
		t.header("NAMESPACE")
	}
	t.header("MODEL", "VERSION", "PUBLISHED", "RUN", "TRIAL", "EPOCH", "AUC-PR", "BY", "AGE", "URI")
	add := func(namespace string, cells ...string) {
		if namespaces {
			cells = append([]string{namespace}, cells...)
		}
		t.row(cells...)
	}
	has := map[client.ObjectKey]bool{}
	for _, v := range versions {
		has[client.ObjectKey{Namespace: v.Namespace, Name: v.Spec.Model}] = true
		add(v.Namespace, v.Spec.Model, strconv.FormatInt(v.Spec.Version, 10), published(&v), v.Spec.Run.Name, v.Spec.Trial, strconv.Itoa(int(v.Spec.Epoch)),
			number(v.Spec.Metrics.AUCPR, 4), truncate(clean(v.Spec.PromotedBy), 32, plainStyle().cut), age(v.CreationTimestamp, now), v.Status.URI)
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

// publishing is the sentence on how far a version has come.
func publishing(v *api.ModelVersion) string {
	for _, kind := range []string{api.ConditionPublished, api.ConditionVerified} {
		if m := conditionMessage(v.Status.Conditions, kind, metav1.ConditionFalse); m != "" {
			return m
		}
	}
	return conditionMessage(v.Status.Conditions, api.ConditionPublished, metav1.ConditionUnknown)
}
