package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/runstate"
)

// Shell completion asks the cluster, but not for long: a shell that hangs on TAB is worse than no proposal.
const (
	completionTimeout = 2 * time.Second
	completionLimit   = 200
)

// Completion proposes names: first completes the first argument, second the second.
func (c *Cluster) Completion(first, second Proposer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var propose Proposer
		switch len(args) {
		case 0:
			propose = first
		case 1:
			propose = second
		}
		if propose == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		cl, namespace, err := c.Connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, err := propose(ctx, cl, namespace, args)
		if err != nil {
			cobra.CompErrorln(err.Error())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// Proposer lists names with a description after a tab, given the arguments before.
type Proposer func(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error)

// ProposeRuns lists the runs of a namespace.
func ProposeRuns(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
	var runs api.TrainingRunList
	err := cl.List(ctx, &runs, client.InNamespace(namespace), client.Limit(completionLimit))
	names := make([]string, 0, len(runs.Items))
	for _, r := range runs.Items {
		names = append(names, fmt.Sprintf("%s\t%s %s", r.Name, runstate.Phase(&r), r.Status.Done))
	}
	return names, err
}

// ProposeTrials lists the trials of the run that is the first argument.
func ProposeTrials(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error) {
	var r api.TrainingRun
	err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: args[0]}, &r)
	names := make([]string, 0, len(r.Status.Trials))
	for _, t := range r.Status.Trials {
		names = append(names, fmt.Sprintf("%s\t%s %d/%d", t.Name, t.Phase, t.Epoch, t.Epochs))
	}
	return names, err
}

// ProposeModels lists the models of a namespace.
func ProposeModels(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
	var models api.ModelList
	err := cl.List(ctx, &models, client.InNamespace(namespace), client.Limit(completionLimit))
	names := make([]string, 0, len(models.Items))
	for _, m := range models.Items {
		names = append(names, fmt.Sprintf("%s\t%s", m.Name, m.Spec.Registry.URI))
	}
	return names, err
}

// proposeNamespaces lists the namespaces of the cluster.
func proposeNamespaces(ctx context.Context, cl client.Client, _ string, _ []string) ([]string, error) {
	var namespaces corev1.NamespaceList
	err := cl.List(ctx, &namespaces, client.Limit(completionLimit))
	names := make([]string, 0, len(namespaces.Items))
	for _, n := range namespaces.Items {
		names = append(names, n.Name)
	}
	return names, err
}

// proposeContexts lists those of the kubeconfig.
func (c *Cluster) proposeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	raw, err := c.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(raw.Contexts)), cobra.ShellCompDirectiveNoFileComp
}

// FlagCompletion adapts a Proposer to a flag's value; the command's own arguments are passed on.
func (c *Cluster) FlagCompletion(propose Proposer, needs int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) < needs {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		once := func(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
			return propose(ctx, cl, namespace, args)
		}
		return c.Completion(once, nil)(cmd, nil, typed)
	}
}
