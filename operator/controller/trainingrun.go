package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/ingest"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/operator/resolve"
)

// progressEvery is the shortest time between two reconciles of a run if its only change is the progress of its trials.
const progressEvery = 2 * time.Second

// conflictRetry is how long a reconcile waits for the cache after it found the cache to be behind.
const conflictRetry = 100 * time.Millisecond

// TrainingRunReconciler creates one Job per attempt and writes the status of TrainingRuns.
type TrainingRunReconciler struct {
	Client       client.Client
	Live         client.Reader // reads the API server itself, where a cache that is behind would do harm
	Recorder     events.EventRecorder
	Ingest       *ingest.Ingest
	Issuer       *credential.Issuer
	CA           []byte // the authority of the NATS server, in PEM; nil: trials trust the system's authorities
	Installation resolve.Installation
	Now          func() time.Time

	refusals    refusals // of Jobs and Secrets
	credentials sync.Map // uids of the runs whose Secret this operator has ensured
}

// +kubebuilder:rbac:groups=plumbline.dev,resources=trainingruns,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=plumbline.dev,resources=trainingruns/status,verbs=update
// +kubebuilder:rbac:groups=plumbline.dev,resources=trainingruns/finalizers,verbs=update
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch;list
// +kubebuilder:rbac:groups=kueue.x-k8s.io,resources=workloads,verbs=list
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=plumbline-system,resources=leases,verbs=get;create;update

// Reconcile takes one step with a TrainingRun. It may run again at any time with the same result.
func (r *TrainingRunReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if err := r.Ingest.WaitForFirstTry(ctx); err != nil {
		return ctrl.Result{}, err
	}
	var run api.TrainingRun
	if err := r.Client.Get(ctx, req.NamespacedName, &run); err != nil {
		r.Ingest.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !run.DeletionTimestamp.IsZero() { // Kubernetes deletes the run's Jobs, pods and Secret with it.
		r.Ingest.Forget(req.NamespacedName)
		return ctrl.Result{}, nil
	}
	r.Ingest.Track(&run)

	// 1. Observe.
	folded := r.Ingest.FoldedSoFar(run.UID)
	input, err := r.observe(ctx, &run)
	if err != nil {
		return ctrl.Result{}, err
	}
	// 2. Plan.
	p := plan.Make(input)
	// 3. Write the status, before a Job is created: the status must have a record of each attempt that has a Job.
	written, err := r.writeStatus(ctx, &run, p)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.Ingest.MarkShown(run.UID, folded, written, r.Now())
	r.Ingest.Track(&run)
	// 4. Apply.
	err = r.apply(ctx, &run, p.Actions, written)
	if errors.Is(err, errBehind) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	return ctrl.Result{RequeueAfter: p.After}, err
}

// SetupWithManager registers the controller. It watches TrainingRuns, their Jobs and pods, and the wakes of Ingest.
func (r *TrainingRunReconciler) SetupWithManager(mgr ctrl.Manager, o controller.Options) error {
	onWake := handler.TypedFuncs[ingest.Wake, reconcile.Request]{GenericFunc: wake}
	err := ctrl.NewControllerManagedBy(mgr).
		For(&api.TrainingRun{}).
		Owns(&batchv1.Job{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(runOfPod)).
		WatchesRawSource(source.TypedChannel(r.Ingest.Wakes(), onWake)).
		WithOptions(o).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the TrainingRun controller: %w", err)
	}
	return nil
}

// runOfPod returns the TrainingRun that a trial's pod belongs to.
func runOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	run := pod.GetLabels()[api.LabelRun]
	if run == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: run}}}
}

// wake queues a reconcile of a run: at once if the wake is urgent, and otherwise after progressEvery. The queue joins
// all requests for a run that come within this time.
func wake(
	_ context.Context,
	e event.TypedGenericEvent[ingest.Wake],
	q workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	r := reconcile.Request{NamespacedName: e.Object.Run}
	if e.Object.Urgent {
		q.Add(r)
		return
	}
	q.AddAfter(r, progressEvery)
}
