package cluster

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// OpenLog streams the log of a pod.
func (c *Cluster) OpenLog(ctx context.Context, namespace, pod string, follow bool) (io.ReadCloser, error) {
	cfg, err := c.Config()
	if err != nil {
		return nil, err
	}
	cfg.APIPath, cfg.GroupVersion = "/api", &corev1.SchemeGroupVersion
	cfg.NegotiatedSerializer = clientscheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return rc.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Follow: follow}, clientscheme.ParameterCodec).Stream(ctx)
}
