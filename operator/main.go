// Command plumbline-operator runs the TrainingRuns of a cluster. It creates one Job per attempt of a trial, reads the
// reports of the trials, selects the best checkpoint of the sweep, and publishes promoted checkpoints. This file and
// options.go hold flags and wiring. To read on, go to controller/.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	api "plumbline.dev/plumbline/api/v1alpha1"
	ctl "plumbline.dev/plumbline/operator/controller"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/ingest"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/natskeys"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

func main() {
	if err := command().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "plumbline-operator:", err)
		os.Exit(1)
	}
}

const example = `  plumbline-operator nats-keys --namespace plumbline-system   # once: creates the Secrets with keys/

  # In the cluster:
  plumbline-operator --nats-url nats://plumbline-nats:4222 \
    --nats-signing-key keys/signing.nk --nats-account keys/account.pub

  # Outside the cluster that KUBECONFIG names, for one of its namespaces:
  plumbline-operator --nats-url nats://localhost:4222 \
    --nats-url-for-trials nats://plumbline-nats.plumbline-system:4222 \
    --nats-signing-key keys/signing.nk --nats-account keys/account.pub \
    --namespaces inspection --leader-elect=false`

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "plumbline-operator",
		Short:         "Train a sweep of ResNet depths per TrainingRun and publish promoted checkpoints",
		Version:       wire.Release,
		Example:       example,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			setLogger(o.verbose)
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("find the API server: %w", err)
			}
			return run(cmd.Context(), o, config)
		},
	}
	o.flags(cmd.Flags())
	cmd.AddCommand(natskeys.Command())
	return cmd
}

func setLogger(verbose bool) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
}

// run sets up the issuer of credentials, the cache, the consumer of reports and the two controllers, and runs them
// until ctx ends.
func run(ctx context.Context, o options, config *rest.Config) error {
	if err := checkKubernetes(config); err != nil {
		return err
	}
	issuer, err := credential.Load(o.signingKey, o.account)
	if err != nil {
		return err
	}
	signIn, err := issuer.Operator()
	if err != nil {
		return err
	}
	authority, tlsConfig, err := o.readCA()
	if err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	config.Wrap(metrics.CountWrites)
	mgr, err := newManager(o, config)
	if err != nil {
		return err
	}
	reports := ingest.New(ingest.Options{
		URL: o.natsURL, Credential: signIn, Inbox: credential.OperatorInbox, TLS: tlsConfig,
		MaxAge: o.streamMaxAge, MaxBytes: o.streamMaxBytes, Replicas: o.streamReplicas,
		Runs: ctl.ActiveRuns(mgr.GetAPIReader(), o.namespaces),
	}, ctrl.Log.WithName("ingest"))
	if err := mgr.Add(reports); err != nil {
		return fmt.Errorf("add the consumer of reports: %w", err)
	}
	if err := addControllers(mgr, o, reports, issuer, authority); err != nil {
		return err
	}
	if err := metrics.Register(ctrlmetrics.Registry, ctl.CountPhases(mgr.GetClient())); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	ctrl.Log.Info("starting", "release", wire.Release, "wire", wire.Version, "namespaces", o.namespaces)
	return mgr.Start(ctx)
}

func newManager(o options, config *rest.Config) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, o.manager(scheme))
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return mgr, mgr.AddReadyzCheck("ping", healthz.Ping)
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, api.AddToScheme(scheme)
}

// addControllers adds the controllers of TrainingRuns and of ModelVersions to the manager.
func addControllers(
	mgr manager.Manager, o options, reports *ingest.Ingest, issuer *credential.Issuer, authority []byte,
) error {
	recorder := mgr.GetEventRecorder(podspec.Manager)
	workers := controller.Options{
		MaxConcurrentReconciles: o.workers, ReconciliationTimeout: time.Minute,
		// A standby keeps its caches and queues filled, so that it does not have to list the cluster when it takes
		// over. Its workers and its consumer of reports start only when it leads: two replicas that write status would
		// overwrite each other's.
		EnableWarmup: ptr.To(true),
	}
	runs := &ctl.TrainingRunReconciler{
		Client:       mgr.GetClient(),
		Live:         mgr.GetAPIReader(),
		Recorder:     recorder,
		Ingest:       reports,
		Issuer:       issuer,
		CA:           authority,
		Installation: resolve.Installation{NATS: o.natsURLForTrials, CA: authority != nil},
		Now:          time.Now,
	}
	if err := runs.SetupWithManager(mgr, workers); err != nil {
		return err
	}
	versions := &ctl.ModelVersionReconciler{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Recorder: recorder,
		Now:      time.Now,
	}
	return versions.SetupWithManager(mgr, workers)
}
