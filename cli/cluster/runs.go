package cluster

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// GetRun reads a run. If the run does not exist, the error names the runs that exist.
func GetRun(ctx context.Context, cl client.Client, namespace, name string) (*api.TrainingRun, error) {
	var r api.TrainingRun
	err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &r)
	switch {
	case apierrors.IsNotFound(err):
		return nil, AbsentRun(ctx, cl, namespace, name, "")
	case err != nil:
		return nil, fmt.Errorf("read run %q in namespace %s: %w", name, namespace, err)
	}
	return &r, nil
}

// AbsentRun returns the error for a run that does not exist. It names the runs of the namespace, and ends with hint.
func AbsentRun(ctx context.Context, cl client.Client, namespace, name, hint string) error {
	var runs api.TrainingRunList
	others := "There are no runs in this namespace."
	if err := cl.List(ctx, &runs, client.InNamespace(namespace)); err == nil && len(runs.Items) > 0 {
		names := make([]string, 0, len(runs.Items))
		for _, r := range runs.Items {
			names = append(names, r.Name)
		}
		others = "Its runs: " + strings.Join(names, ", ") + "."
	}
	return fmt.Errorf("run %q does not exist in namespace %s\n"+
		"%s To name another namespace: -n NAMESPACE. To list the runs of all namespaces: plumb list -A%s",
		name, namespace, others, hint)
}

// DescribeNamespace returns the words for a namespace in a message; "" stands for all namespaces.
func DescribeNamespace(namespace string) string {
	if namespace == "" {
		return "any namespace"
	}
	return "namespace " + namespace
}
