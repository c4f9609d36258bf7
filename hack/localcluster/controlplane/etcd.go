package controlplane

import (
	"fmt"
	"net/url"
	"os"
	"os/signal"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// RunEtcd serves the cluster's state until SIGTERM or SIGINT. etcd does not fsync its
// writes. A killed process loses nothing, because the kernel holds the written data. A
// machine that loses power may lose the cluster; `down --purge` and `up` make a new one.
func RunEtcd(c *cluster.Cluster) error {
	cfg := embed.NewConfig()
	cfg.Name = "local"
	cfg.Dir = c.Path("etcd")
	cfg.UnsafeNoFsync = true
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{"stderr"}
	client := url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", c.Config.Ports.Etcd)}
	peer := url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", c.Config.Ports.EtcdPeer)}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	// etcd answers only clients with a certificate of this cluster, not other users of the machine.
	tls := transport.TLSInfo{
		CertFile: c.Cert("etcd"), KeyFile: c.Key("etcd"), TrustedCAFile: c.Cert("ca"), ClientCertAuth: true,
	}
	cfg.ClientTLSInfo, cfg.PeerTLSInfo = tls, tls

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM, unix.SIGINT)
	select {
	case <-end:
		e.Close()
		return nil
	case err := <-e.Err():
		return fmt.Errorf("run etcd: %w", err)
	}
}
