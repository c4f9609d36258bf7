package cluster

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// OpenLog opens the log of a pod. With follow, reading from the stream blocks until the pod writes more, and the stream
// ends when the pod does. The caller closes the stream.
func (c *Cluster) OpenLog(ctx context.Context, namespace, pod string, follow bool) (io.ReadCloser, error) {
	cfg, err := c.Config()
	if err != nil {
		return nil, err
	}
	cfg.APIPath, cfg.GroupVersion = "/api", &corev1.SchemeGroupVersion
	cfg.NegotiatedSerializer = clientscheme.Codecs.WithoutConversion()
	pods, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return pods.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Follow: follow}, clientscheme.ParameterCodec).Stream(ctx)
}
