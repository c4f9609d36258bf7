package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/publishing"
)

// ModelVersionReconciler creates a Job that publishes each ModelVersion. A ModelVersion has no owner: it is the record
// of what is in the registry, and stays when its run or its Model is deleted.
type ModelVersionReconciler struct {
	Client   client.Client
	Live     client.Reader // reads the API server itself
	Recorder events.EventRecorder
	Now      func() time.Time

	refusals refusals // of publishing Jobs
}

// +kubebuilder:rbac:groups=plumbline.dev,resources=models;modelversions,verbs=get;list;watch
// +kubebuilder:rbac:groups=plumbline.dev,resources=models/status;modelversions/status,verbs=update
// +kubebuilder:rbac:groups=plumbline.dev,resources=modelversions/finalizers,verbs=update

// Reconcile takes one step with a ModelVersion, as for a TrainingRun: observe, plan, write the status, apply.
func (r *ModelVersionReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var version api.ModelVersion
	if err := r.Client.Get(ctx, req.NamespacedName, &version); err != nil || !version.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	model, err := r.model(ctx, &version)
	if err != nil {
		return ctrl.Result{}, err
	}
	p, err := r.observeAndPlan(ctx, &version, model)
	if err != nil {
		return ctrl.Result{}, err
	}
	written, err := r.writeStatus(ctx, &version, p)
	if err == nil {
		err = r.apply(ctx, &version, p.Actions, written)
	}
	if err == nil && model != nil {
		err = r.updateModel(ctx, model, &version)
	}
	if apierrors.IsConflict(err) || errors.Is(err, errBehind) {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	return ctrl.Result{RequeueAfter: p.After}, client.IgnoreNotFound(err)
}

// model returns the version's Model, or nil if the Model does not exist.
func (r *ModelVersionReconciler) model(ctx context.Context, v *api.ModelVersion) (*api.Model, error) {
	var m api.Model
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: v.Namespace, Name: v.Spec.Model}, &m)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Model %s: %w", v.Spec.Model, err)
	}
	return &m, nil
}

func (r *ModelVersionReconciler) observeAndPlan(
	ctx context.Context, v *api.ModelVersion, m *api.Model,
) (publishing.Plan, error) {
	in := publishing.Input{Version: v, Model: m, Now: r.Now()}
	if v.Status.CompletionTime == nil {
		var err error
		if in.Cluster, err = observeCluster(ctx, r.Client, v, labelsOf(v)); err != nil {
			return publishing.Plan{}, err
		}
		// status.job names a Job that was observed before. If the cache does not have it, the cache may be behind.
		if job := v.Status.Job; job != "" && !in.Cluster.Has(job) {
			if in.Cluster, err = observeCluster(ctx, r.Live, v, labelsOf(v)); err != nil {
				return publishing.Plan{}, err
			}
		}
	}
	return publishing.Make(in), nil
}

func labelsOf(v *api.ModelVersion) client.MatchingLabels {
	return client.MatchingLabels{api.LabelModel: v.Spec.Model, api.LabelVersion: fmt.Sprint(v.Spec.Version)}
}

// writeStatus writes the status if it differs from the version's, and then records the events.
func (r *ModelVersionReconciler) writeStatus(
	ctx context.Context, v *api.ModelVersion, p publishing.Plan,
) (written bool, err error) {
	if equality.Semantic.DeepEqual(v.Status, p.Status) {
		return false, nil
	}
	v.Status = p.Status
	failpoint.Here("version.before")
	if err := r.Client.Status().Update(ctx, v); err != nil {
		return false, fmt.Errorf("write the status of ModelVersion %s: %w", v.Name, err)
	}
	failpoint.Here("version.after")
	recordEvents(ctx, r.Recorder, v, p.Events)
	return true, nil
}

// apply creates the Jobs of a plan. If the status was not written just now, apply first asks the API server whether the
// version is still the planned one.
func (r *ModelVersionReconciler) apply(
	ctx context.Context, v *api.ModelVersion, actions []decision.Action, written bool,
) error {
	if len(actions) == 0 {
		return nil
	}
	if !written {
		if err := stillNewest(ctx, r.Live, v, &api.ModelVersion{}); err != nil {
			return err
		}
	}
	for _, a := range actions {
		if err := createJob(ctx, r.Client, r.Live, v, a); err != nil {
			r.refusals.remember(r.Recorder, v, "JobNotCreated", client.ObjectKeyFromObject(a.Create), err)
			return err
		}
		r.refusals.forget(client.ObjectKeyFromObject(a.Create))
	}
	return nil
}

// updateModel writes the Model's count of versions into its status.
func (r *ModelVersionReconciler) updateModel(ctx context.Context, m *api.Model, v *api.ModelVersion) error {
	next := publishing.ModelStatus(m, v)
	if next == m.Status {
		return nil
	}
	m.Status = next
	if err := r.Client.Status().Update(ctx, m); err != nil {
		return fmt.Errorf("write the status of Model %s: %w", m.Name, err)
	}
	return nil
}

// SetupWithManager registers the controller. It watches ModelVersions, their Jobs and pods, and the Models for which
// versions may wait.
func (r *ModelVersionReconciler) SetupWithManager(mgr ctrl.Manager, o controller.Options) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&api.ModelVersion{}).
		Owns(&batchv1.Job{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(versionOfPod)).
		Watches(&api.Model{}, handler.EnqueueRequestsFromMapFunc(r.versionsOf)).
		WithOptions(o).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the ModelVersion controller: %w", err)
	}
	return nil
}

// versionOfPod returns the ModelVersion that a publishing pod belongs to.
func versionOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	model, version := pod.GetLabels()[api.LabelModel], pod.GetLabels()[api.LabelVersion]
	if model == "" {
		return nil
	}
	name := types.NamespacedName{Namespace: pod.GetNamespace(), Name: model + "-v" + version}
	return []reconcile.Request{{NamespacedName: name}}
}

// versionsOf returns the ModelVersions of a Model that have not ended.
func (r *ModelVersionReconciler) versionsOf(ctx context.Context, model client.Object) (out []reconcile.Request) {
	var versions api.ModelVersionList
	if err := r.Client.List(ctx, &versions, client.InNamespace(model.GetNamespace())); err != nil {
		return nil
	}
	for _, v := range versions.Items {
		if v.Spec.Model == model.GetName() && v.Status.CompletionTime == nil {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&v)})
		}
	}
	return out
}
