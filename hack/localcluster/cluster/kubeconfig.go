package cluster

import (
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// EnsureKubeconfigs writes one kubeconfig for each caller of the API server. Every `up`
// may overwrite these files: all they hold comes from the certificates and cluster.json.
func (c *Cluster) EnsureKubeconfigs() error {
	for file, id := range map[string]string{
		c.Kubeconfig(): "admin",
		c.ComponentKubeconfig("controller-manager"): "controller-manager",
		c.ComponentKubeconfig("scheduler"):          "scheduler",
		c.ComponentKubeconfig("kubelet"):            "kubelet",
	} {
		cert, err := os.ReadFile(c.Cert(id))
		if err != nil {
			return fmt.Errorf("write kubeconfig: %w", err)
		}
		key, err := os.ReadFile(c.Key(id))
		if err != nil {
			return fmt.Errorf("write kubeconfig: %w", err)
		}
		user := &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
		if err := c.WriteKubeconfig(file, user, "default"); err != nil {
			return err
		}
	}
	return nil
}

// ComponentKubeconfig returns the path of the kubeconfig of the component with this certificate.
func (c *Cluster) ComponentKubeconfig(id string) string { return c.Path("pki", id+".kubeconfig") }

// WriteKubeconfig writes a kubeconfig for any user of this cluster, with a default namespace.
func (c *Cluster) WriteKubeconfig(file string, user *clientcmdapi.AuthInfo, namespace string) error {
	ca, err := os.ReadFile(c.Cert("ca"))
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	const name = "plumbline-local"
	b, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: c.APIServer(), CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: user},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: namespace}},
		CurrentContext: name,
	})
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return WriteFile(file, b)
}

// Client returns a client that calls the API server as the kubeconfig's user.
func Client(kubeconfig string) (*kubernetes.Clientset, *rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	cfg.QPS = -1 // no limit in the client: on one machine the API server's own flow control is enough
	cs, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("make an API client: %w", err)
	}
	return cs, cfg, nil
}
