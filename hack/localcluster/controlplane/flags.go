package controlplane

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // as the original programs do
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// RunAPIServer, RunControllerManager and RunScheduler are the original programs'
// main functions, given flags.
func RunAPIServer(c *cluster.Cluster) error {
	return run(apiserver.NewAPIServerCommand(), apiServerFlags(c))
}

func RunControllerManager(c *cluster.Cluster) error {
	return run(controllermanager.NewControllerManagerCommand(), controllerManagerFlags(c))
}

func RunScheduler(c *cluster.Cluster) error {
	return run(scheduler.NewSchedulerCommand(), schedulerFlags(c))
}

func run(cmd *cobra.Command, flags []string) error {
	cmd.SetArgs(flags)
	if code := cli.Run(cmd); code != 0 {
		return fmt.Errorf("%s ended with code %d", cmd.Name(), code)
	}
	return nil
}

func apiServerFlags(c *cluster.Cluster) []string {
	return []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.Config.Ports.APIServer),
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.Config.Ports.Etcd),
		"--etcd-cafile=" + c.Cert("ca"),
		"--etcd-certfile=" + c.Cert("etcd-client"),
		"--etcd-keyfile=" + c.Key("etcd-client"),
		"--tls-cert-file=" + c.Cert("apiserver"),
		"--tls-private-key-file=" + c.Key("apiserver"),
		"--client-ca-file=" + c.Cert("ca"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.Path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + c.Key("sa"),
		"--service-cluster-ip-range=10.96.0.0/16",
		// A loopback address is no valid endpoint of the Service "kubernetes"; pods get the real one in their environment.
		"--endpoint-reconciler-type=none",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=false",
		// The node has an InternalIP only; without this `kubectl logs` asks for its host name.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + c.Cert("ca"),
		"--kubelet-client-certificate=" + c.Cert("apiserver-kubelet-client"),
		"--kubelet-client-key=" + c.Key("apiserver-kubelet-client"),
		// Nobody holds a certificate of this name: it only spares the others a complaint
		// about an empty authority for requests that come through a proxy.
		"--requestheader-client-ca-file=" + c.Cert("ca"),
		"--requestheader-allowed-names=front-proxy-client",
		"--profiling=false",
	}
}

func controllerManagerFlags(c *cluster.Cluster) []string {
	return append(callerFlags(c, "controller-manager", c.Config.Ports.ControllerManager),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+c.Key("sa"),
		"--root-ca-file="+c.Cert("ca"),
		// The taint of a new node goes at this rhythm; the default of 5 s is half of a start.
		"--node-monitor-period=1s",
	)
}

func schedulerFlags(c *cluster.Cluster) []string {
	return callerFlags(c, "scheduler", c.Config.Ports.Scheduler)
}

// callerFlags are those of a program that calls the API server and answers health
// checks. There is one of each, so nobody needs to elect a leader.
func callerFlags(c *cluster.Cluster, id string, port int) []string {
	kubeconfig := c.ComponentKubeconfig(id)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--client-ca-file=" + c.Cert("ca"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.Cert(id),
		"--tls-private-key-file=" + c.Key(id),
		"--leader-elect=false",
		"--profiling=false",
	}
}
