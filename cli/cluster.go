package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// cluster is what every verb that talks to Kubernetes is given: the flags that say which cluster, and the streams.
type cluster struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	dial  func(*rest.Config) (client.WithWatch, error)
	now   func() time.Time
}

func newCluster(streams genericiooptions.IOStreams) *cluster {
	return &cluster{
		IOStreams: streams,
		flags:     genericclioptions.NewConfigFlags(true),
		dial: func(cfg *rest.Config) (client.WithWatch, error) {
			return client.NewWithWatch(cfg, client.Options{Scheme: scheme()})
		},
		now: time.Now,
	}
}

// scheme knows our types, and the few of Kubernetes' that the verbs touch.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{api.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, authenticationv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // two types of one name: a mistake in this program
		}
	}
	return s
}

// connect returns a client and the namespace that flags and kubeconfig name.
func (c *cluster) connect() (client.WithWatch, string, error) {
	namespace, _, err := c.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read kubeconfig: %w", err)
	}
	cfg, err := c.config()
	if err != nil {
		return nil, "", err
	}
	cl, err := c.dial(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("connect to %s: %w", cfg.Host, err)
	}
	return cl, namespace, nil
}

// inNamespace is the flag to repeat in a command that is proposed.
func (c *cluster) inNamespace() string {
	if *c.flags.Namespace == "" {
		return ""
	}
	return " -n " + *c.flags.Namespace
}

func (c *cluster) config() (*rest.Config, error) {
	cfg, err := c.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// Where no file, no flag and no pod names a cluster, kubectl's flags name this machine's, which nobody has meant.
	if raw, err := c.flags.ToRawKubeConfigLoader().RawConfig(); err == nil && len(raw.Clusters) == 0 && *c.flags.APIServer == "" && cfg.BearerToken == "" {
		return nil, clientcmd.ErrEmptyConfig
	}
	cfg.UserAgent = "plumb"
	return cfg, nil
}

// Shell completion asks the cluster, but not for long: a shell that hangs on TAB is worse than no proposal.
const (
	completionTimeout = 2 * time.Second
	completionLimit   = 200
)

// completion proposes names: first completes the first argument, second the second.
func (c *cluster) completion(first, second proposer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var propose proposer
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
		cl, namespace, err := c.connect()
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

// proposer lists names with a description after a tab, given the arguments before.
type proposer func(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error)

func proposeRuns(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
	var runs api.TrainingRunList
	err := cl.List(ctx, &runs, client.InNamespace(namespace), client.Limit(completionLimit))
	names := make([]string, 0, len(runs.Items))
	for _, r := range runs.Items {
		names = append(names, fmt.Sprintf("%s\t%s %s", r.Name, phaseOf(&r), r.Status.Done))
	}
	return names, err
}

func proposeTrials(ctx context.Context, cl client.Client, namespace string, args []string) ([]string, error) {
	var r api.TrainingRun
	err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: args[0]}, &r)
	names := make([]string, 0, len(r.Status.Trials))
	for _, t := range r.Status.Trials {
		names = append(names, fmt.Sprintf("%s\t%s %d/%d", t.Name, t.Phase, t.Epoch, t.Epochs))
	}
	return names, err
}

func proposeModels(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
	var models api.ModelList
	err := cl.List(ctx, &models, client.InNamespace(namespace), client.Limit(completionLimit))
	names := make([]string, 0, len(models.Items))
	for _, m := range models.Items {
		names = append(names, fmt.Sprintf("%s\t%s", m.Name, m.Spec.Registry.URI))
	}
	return names, err
}

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
func (c *cluster) proposeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	raw, err := c.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(raw.Contexts)), cobra.ShellCompDirectiveNoFileComp
}

// listCompletion completes the last part of a flag's value that is a list, such as 18,34, by what is not in it yet.
func listCompletion[T any](values []T) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (proposals []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, v := range values {
			if v := fmt.Sprint(v); !slices.Contains(strings.Split(before, ","), v) {
				proposals = append(proposals, before+v)
			}
		}
		return proposals, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// flagCompletion adapts a proposer to a flag's value; the command's own arguments are passed on.
func (c *cluster) flagCompletion(propose proposer, needs int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) < needs {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		once := func(ctx context.Context, cl client.Client, namespace string, _ []string) ([]string, error) {
			return propose(ctx, cl, namespace, args)
		}
		return c.completion(once, nil)(cmd, nil, typed)
	}
}
