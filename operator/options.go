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

// oldestKubernetes is the oldest version that has what the operator relies on: a Job becomes Failed only when its pod
// has ended, and the CRDs' rules may use the CEL functions that they use.
const oldestKubernetes = "1.31.0"

// options holds the values of the flags.
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
	f.StringVar(&o.natsURL, "nats-url", "",
		"URL of the NATS server from which the operator reads reports, such as nats://plumbline-nats:4222")
	f.StringVar(&o.natsURLForTrials, "nats-url-for-trials", "",
		"URL of the same server for the trials' pods; default: --nats-url")
	f.StringVar(&o.signingKey, "nats-signing-key", "",
		"file with the seed (SA…) of a signing key of the NATS account")
	f.StringVar(&o.account, "nats-account", "",
		"file with the public key (A…) of the NATS account")
	f.StringVar(&o.ca, "nats-ca", "",
		"PEM file of the private authority of the NATS server's certificate; default: the system's authorities")
	f.DurationVar(&o.streamMaxAge, "stream-max-age", 30*24*time.Hour,
		"how long the stream keeps a report")
	f.Int64Var(&o.streamMaxBytes, "stream-max-bytes", 2<<30,
		"size in bytes at which the stream drops its oldest reports")
	f.IntVar(&o.streamReplicas, "stream-replicas", 1,
		"number of NATS servers that store the stream; set 3 on a NATS cluster of three")
	f.StringSliceVar(&o.namespaces, "namespaces", nil,
		"namespaces whose runs the operator handles, separated by commas; default: all")
	f.BoolVar(&o.leaderElect, "leader-elect", true,
		"let only one of several operators act at a time")
	f.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "",
		"namespace of the lease; default: the operator's own")
	f.StringVar(&o.metrics, "metrics-bind-address", ":8080",
		"address that serves /metrics; 0 turns it off")
	f.StringVar(&o.probes, "health-probe-bind-address", ":8081",
		"address that serves /healthz and /readyz; 0 turns it off")
	f.IntVar(&o.workers, "workers", 4,
		"how many runs the operator reconciles at the same time")
	f.BoolVar(&o.verbose, "verbose", false,
		"also write debug messages to the log")
}

// validate checks the flags that have no usable default, and sets the defaults that follow from other flags.
func (o *options) validate() error {
	var errs []error
	need := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	need(o.natsURL != "", "--nats-url is missing: name the NATS server, such as nats://plumbline-nats:4222")
	need(o.signingKey != "" && o.account != "",
		"--nats-signing-key or --nats-account is missing: name the key files of the NATS account; "+
			"`plumbline-operator nats-keys` makes them")
	need(o.workers >= 1, "--workers must be at least 1")
	need(o.streamMaxAge >= 0 && o.streamMaxBytes > 0,
		"--stream-max-age must not be negative, and --stream-max-bytes must be positive")
	for i, n := range o.namespaces {
		o.namespaces[i] = strings.TrimSpace(n)
	}
	if o.natsURLForTrials == "" {
		o.natsURLForTrials = o.natsURL
	}
	return errors.Join(errs...)
}

// readCA returns the content of --nats-ca and a TLS configuration that trusts the authority, or neither without the
// flag.
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
		return nil, nil, fmt.Errorf("--nats-ca %s contains no PEM certificate", o.ca)
	}
	return pem, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// manager returns the options of controller-runtime's manager. The cache holds only the pods and Jobs of Plumbline,
// because the cluster may have many others.
func (o *options) manager(scheme *runtime.Scheme) ctrl.Options {
	onlyOurs := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{podspec.ManagedBy: podspec.Manager})}
	out := ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject:         map[client.Object]cache.ByObject{&batchv1.Job{}: onlyOurs, &corev1.Pod{}: onlyOurs},
		},
		Client:                        client.Options{FieldOwner: podspec.Manager},
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "plumbline-operator",
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		// A leader that was killed is replaced within 12 s: LeaseDuration and one RetryPeriod. A leader that cannot
		// reach the API server for 7 s (RenewDeadline) steps down before that.
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

// checkKubernetes returns an error if the API server is older than oldestKubernetes. Without this check the operator
// would fail later, with errors that do not name the cause.
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
		return fmt.Errorf("the API server has Kubernetes %s, but Plumbline needs %s or newer",
			info.GitVersion, oldestKubernetes)
	}
	return nil
}
