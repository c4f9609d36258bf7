package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"plumbline.dev/plumbline/podspec"
)

// oldestKubernetes has what we rely on: a Job that is Failed only when its pod has ended, and the CEL functions of our
// CRDs.
const oldestKubernetes = "1.31.0"

// options are the flags.
type options struct {
	natsURL, natsURLForTrials string
	signingKey, account, ca   string
	streamMaxAge              time.Duration
	streamMaxBytes            int64
	streamReplicas            int

	namespaces              []string
	leaderElect             bool
	leaderElectionNamespace string
	metrics, probes         string
	workers                 int
	verbose                 bool
}

func (o *options) flags(f *pflag.FlagSet) {
	f.StringVar(&o.natsURL, "nats-url", "", "NATS server that the operator reads reports from, such as nats://plumbline-nats:4222")
	f.StringVar(&o.natsURLForTrials, "nats-url-for-trials", "", "the same server as trials' pods reach it; default: --nats-url")
	f.StringVar(&o.signingKey, "nats-signing-key", "", "file with the seed (SA…) of a signing key of the NATS account")
	f.StringVar(&o.account, "nats-account", "", "file with the public key (A…) of the NATS account")
	f.StringVar(&o.ca, "nats-ca", "", "PEM file of the authority that signed the NATS server's certificate, where it is a private one")
	f.DurationVar(&o.streamMaxAge, "stream-max-age", 30*24*time.Hour, "how long reports are kept in the stream")
	f.Int64Var(&o.streamMaxBytes, "stream-max-bytes", 2<<30, "how large the stream may grow before its oldest reports go")
	f.IntVar(&o.streamReplicas, "stream-replicas", 1, "replicas of the stream: 3 on a NATS cluster of three")
	f.StringSliceVar(&o.namespaces, "namespaces", nil, "namespaces to work in, separated by commas; default: all")
	f.BoolVar(&o.leaderElect, "leader-elect", true, "have only one of several operators act")
	f.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease; default: the operator's own")
	f.StringVar(&o.metrics, "metrics-bind-address", ":8080", "address for /metrics; 0 turns it off")
	f.StringVar(&o.probes, "health-probe-bind-address", ":8081", "address for /healthz and /readyz; 0 turns them off")
	f.IntVar(&o.workers, "workers", 4, "how many runs are worked on at the same time")
	f.BoolVar(&o.verbose, "verbose", false, "log more")
}

func (o *options) validate() error {
	var errs []error
	need := func(ok bool, words string) {
		if !ok {
			errs = append(errs, errors.New(words))
		}
	}
	need(o.natsURL != "", "--nats-url is missing: say where NATS is, such as nats://plumbline-nats:4222")
	need(o.signingKey != "" && o.account != "", "--nats-signing-key and --nats-account are missing: they name the key files of the NATS account; `plumbline-operator nats-keys` makes them")
	need(o.workers >= 1, "--workers must be at least 1")
	need(o.streamMaxAge >= 0 && o.streamMaxBytes > 0, "--stream-max-age and --stream-max-bytes must be positive")
	for i, n := range o.namespaces {
		o.namespaces[i] = strings.TrimSpace(n)
	}
	if o.natsURLForTrials == "" {
		o.natsURLForTrials = o.natsURL
	}
	return errors.Join(errs...)
}

func (o *options) readCA() ([]byte, *tls.Config, error) {
	if o.ca == "" {
		return nil, nil, nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, nil, fmt.Errorf("read --nats-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("--nats-ca %s holds no certificate in PEM", o.ca)
	}
	return pem, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// manager caches what is ours and no more: the cluster may hold many other pods and Jobs.
func (o *options) manager(scheme *runtime.Scheme) ctrl.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{podspec.ManagedBy: podspec.Manager})}
	out := ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject:         map[client.Object]cache.ByObject{&batchv1.Job{}: ours, &corev1.Pod{}: ours},
		},
		Client:                        client.Options{FieldOwner: podspec.Manager},
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "plumbline-operator",
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		// A leader that was killed is replaced within 12 s; one that is away from the API server for 7 s steps down
		// before that.
		LeaseDuration:          ptr.To(10 * time.Second),
		RenewDeadline:          ptr.To(7 * time.Second),
		RetryPeriod:            ptr.To(2 * time.Second),
		HealthProbeBindAddress: o.probes,
		Metrics:                metricsserver.Options{BindAddress: o.metrics},
	}
	if len(o.namespaces) > 0 {
		out.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, n := range o.namespaces {
			out.Cache.DefaultNamespaces[n] = cache.Config{}
		}
	}
	return out
}

// checkKubernetes refuses an API server that is too old, in words, instead of failing later in a way that nobody
// understands.
func checkKubernetes(config *rest.Config) error {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("reach the API server: %w", err)
	}
	info, err := d.ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server at %s for its version: %w", config.Host, err)
	}
	v, err := version.ParseGeneric(info.GitVersion)
	if err != nil {
		return fmt.Errorf("read the API server's version %q: %w", info.GitVersion, err)
	}
	if v.LessThan(version.MustParseGeneric(oldestKubernetes)) {
		return fmt.Errorf("the API server is Kubernetes %s: Plumbline needs %s or newer", info.GitVersion, oldestKubernetes)
	}
	return nil
}
