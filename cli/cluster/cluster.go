package cluster

import (
	"fmt"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Cluster connects a verb to Kubernetes. It holds kubectl's flags, which name the cluster.
type Cluster struct {
	flags *genericclioptions.ConfigFlags
	Dial  func(*rest.Config) (client.WithWatch, error) // creates the client; tests replace it
}

// New returns the cluster that kubectl's flags and the kubeconfig name. It does not connect yet.
func New() *Cluster {
	return &Cluster{
		flags: genericclioptions.NewConfigFlags(true),
		Dial: func(cfg *rest.Config) (client.WithWatch, error) {
			return client.NewWithWatch(cfg, client.Options{Scheme: Scheme()})
		},
	}
}

// Scheme returns a scheme with Plumbline's types and with the types of Kubernetes that the verbs use.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		api.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, authenticationv1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // two types have the same name, which is a bug in this program
		}
	}
	return s
}

// Connect returns a client, and the namespace that the flags or else the kubeconfig name.
func (c *Cluster) Connect() (client.WithWatch, string, error) {
	namespace, _, err := c.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read kubeconfig: %w", err)
	}
	cfg, err := c.Config()
	if err != nil {
		return nil, "", err
	}
	cl, err := c.Dial(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("connect to %s: %w", cfg.Host, err)
	}
	return cl, namespace, nil
}

// NamespaceFlag returns the flag -n as the user gave it, for the commands that a message proposes: " -n lab", or "" if
// the user did not give it.
func (c *Cluster) NamespaceFlag() string {
	if *c.flags.Namespace == "" {
		return ""
	}
	return " -n " + *c.flags.Namespace
}

// Config returns the configuration of a connection to the cluster that the flags or else the kubeconfig name.
func (c *Cluster) Config() (*rest.Config, error) {
	cfg, err := c.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// If no file, flag or service account names a cluster, kubectl's flags default to one on this machine. The user did
	// not ask for that one, so report that there is no kubeconfig.
	raw, err := c.flags.ToRawKubeConfigLoader().RawConfig()
	if err == nil && len(raw.Clusters) == 0 && *c.flags.APIServer == "" && cfg.BearerToken == "" {
		return nil, clientcmd.ErrEmptyConfig
	}
	cfg.UserAgent = "plumb"
	return cfg, nil
}

// AddFlags adds the flags that name the cluster to root, and so to every verb, with their completion.
func (c *Cluster) AddFlags(root *cobra.Command) {
	c.flags.AddFlags(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("namespace", c.FlagCompletion(proposeNamespaces, 0))
	_ = root.RegisterFlagCompletionFunc("context", c.proposeContexts)
}
