package cluster

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// GetRun reads a run; one that does not exist is an error that names those that do.
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

// AbsentRun is the error for a run that is not there: it names those that are.
func AbsentRun(ctx context.Context, cl client.Client, namespace, name, hint string) error {
	var runs api.TrainingRunList
	there := "There are no runs in it"
	if err := cl.List(ctx, &runs, client.InNamespace(namespace)); err == nil && len(runs.Items) > 0 {
		names := make([]string, 0, len(runs.Items))
		for _, r := range runs.Items {
			names = append(names, r.Name)
		}
		there = "Its runs: " + strings.Join(names, ", ")
	}
	return fmt.Errorf("run %q does not exist in namespace %s\n"+
		"%s. Another namespace: -n NAMESPACE, all of them: plumb list -A%s",
		name, namespace, there, hint)
}

// DescribeNamespace says in words which namespace is meant; "" is all of them.
func DescribeNamespace(namespace string) string {
	if namespace == "" {
		return "any namespace"
	}
	return "namespace " + namespace
}
