package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/proc"
	"plumbline.dev/plumbline/hack/localcluster/supervisor"
)

// check asks once whether a part of the cluster is ready. Its error says why the part is not.
type check func(ctx context.Context, c *cluster.Cluster) error

// readiness holds a check for each component. It asks the component itself, as a
// monitor would.
var readiness = map[string]check{
	supervisor.Etcd: func(ctx context.Context, c *cluster.Cluster) error {
		return get(ctx, c, "etcd-client", "https://127.0.0.1:%d/health", c.Config.Ports.Etcd)
	},
	supervisor.NATS: func(ctx context.Context, c *cluster.Cluster) error {
		return get(ctx, c, "admin", "http://127.0.0.1:%d/healthz", c.Config.Ports.NATSMonitor)
	},
	supervisor.APIServer: func(ctx context.Context, c *cluster.Cluster) error {
		return get(ctx, c, "admin", "https://127.0.0.1:%d/readyz", c.Config.Ports.APIServer)
	},
	supervisor.ControllerManager: func(ctx context.Context, c *cluster.Cluster) error {
		return get(ctx, c, "admin", "https://127.0.0.1:%d/healthz", c.Config.Ports.ControllerManager)
	},
	supervisor.Scheduler: func(ctx context.Context, c *cluster.Cluster) error {
		return get(ctx, c, "admin", "https://127.0.0.1:%d/readyz", c.Config.Ports.Scheduler)
	},
	supervisor.Node: func(ctx context.Context, c *cluster.Cluster) error {
		err := get(ctx, c, "apiserver-kubelet-client", "https://127.0.0.1:%d/healthz", c.Config.Ports.Kubelet)
		if err != nil {
			return err
		}
		return nodeReady(ctx, c)
	},
}

// get requests a URL with the certificate called id. format is the URL with %d for the
// port. An answer other than 200 is an error.
func get(ctx context.Context, c *cluster.Cluster, id, format string, port int) error {
	pair, err := tls.LoadX509KeyPair(c.Cert(id), c.Key(id))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(c.Cert("ca"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf(format, port), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s answers %s: %s", req.URL, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// nodeReady checks that the node is Ready and that the scheduler may use it.
func nodeReady(ctx context.Context, c *cluster.Cluster) error {
	client, _, err := cluster.Client(c.Kubeconfig())
	if err != nil {
		return err
	}
	n, err := client.CoreV1().Nodes().Get(ctx, cluster.NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, taint := range n.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoSchedule {
			return fmt.Errorf("node %s still has the taint %s", n.Name, taint.Key)
		}
	}
	for _, cond := range n.Status.Conditions {
		if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return fmt.Errorf("node %s is not Ready", n.Name)
}

// defaultServiceAccount checks that the service account "default" exists in the namespace "default".
func defaultServiceAccount(ctx context.Context, c *cluster.Cluster) error {
	client, _, err := cluster.Client(c.Kubeconfig())
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
	return err
}

// waitFor repeats a check until it succeeds or ctx ends. If the component ends, waitFor
// returns at once, with the last lines of the component's log. what names the part that
// the check is for.
func waitFor(ctx context.Context, c *cluster.Cluster, what, component string, ready check) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx, c)
		if err == nil {
			return nil
		}
		if id, pidErr := proc.ReadPIDFile(c.PIDFile(component)); pidErr != nil || !id.Alive() {
			log := c.LogFile(component)
			return fmt.Errorf("%s ended before it was ready; the end of %s:\n%s", component, log, lastLines(log, 12))
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for %s: %w", what, err), ctx.Err())
		case <-tick.C:
		}
	}
}

// lastLines returns the last n lines of a file, indented.
func lastLines(file string, n int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
