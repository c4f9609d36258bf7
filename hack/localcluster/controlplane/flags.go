package controlplane

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // the original programs import these two as well
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// RunAPIServer runs kube-apiserver until it ends.
func RunAPIServer(c *cluster.Cluster) error {
	return run(apiserver.NewAPIServerCommand(), apiServerFlags(c))
}

// RunControllerManager runs kube-controller-manager until it ends.
func RunControllerManager(c *cluster.Cluster) error {
	return run(controllermanager.NewControllerManagerCommand(), controllerManagerFlags(c))
}

// RunScheduler runs kube-scheduler until it ends.
func RunScheduler(c *cluster.Cluster) error {
	return run(scheduler.NewSchedulerCommand(), schedulerFlags(c))
}

// run does what the original program's main function does, with these flags.
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
		// A loopback address is no valid endpoint of the Service "kubernetes". The node puts
		// the API server's real address into the pods' environment instead.
		"--endpoint-reconciler-type=none",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=false",
		// Without this flag the API server would call the node by its host name, "local",
		// for `kubectl logs`; that name cannot be resolved.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + c.Cert("ca"),
		"--kubelet-client-certificate=" + c.Cert("apiserver-kubelet-client"),
		"--kubelet-client-key=" + c.Key("apiserver-kubelet-client"),
		// No certificate has this name. The flags only keep the other components from logging that the authority for
		// requests through a proxy is empty.
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
		// A new node loses its taint at the next check of this period. The default of 5 s
		// would be half of the time that a start takes.
		"--node-monitor-period=1s",
	)
}

func schedulerFlags(c *cluster.Cluster) []string {
	return callerFlags(c, "scheduler", c.Config.Ports.Scheduler)
}

// callerFlags returns the flags that the controller manager and the scheduler share: both
// call the API server and answer health checks. There is one process of each, so they need
// no leader election.
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
