package controller

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/podspec"
)

// errBehind means that the plan was made from an old state of the object.
var errBehind = errors.New("the cache is behind")

// apply carries out the actions of a plan. If the status was not written just now, run comes from the cache and may be
// old. Then apply asks the API server first, and returns errBehind if the run has changed.
func (r *TrainingRunReconciler) apply(
	ctx context.Context, run *api.TrainingRun, actions []decision.Action, written bool,
) error {
	if len(actions) == 0 {
		return nil
	}
	if !written {
		if err := stillNewest(ctx, r.Live, run, &api.TrainingRun{}); err != nil {
			return err
		}
	}
	var errs []error
	for _, a := range actions {
		errs = append(errs, r.act(ctx, run, a))
	}
	return errors.Join(errs...)
}

// act carries out one action. Before it creates a Job it creates the run's credential.
func (r *TrainingRunReconciler) act(ctx context.Context, run *api.TrainingRun, a decision.Action) error {
	switch {
	case a.Delete != nil:
		return deleteOne(ctx, r.Client, a.Delete, a.Reason)
	case a.Expire:
		return deleteOne(ctx, r.Client, run, a.Reason)
	}
	secret := types.NamespacedName{Namespace: run.Namespace, Name: plan.SecretName(run)}
	if err := r.ensureCredential(ctx, run); err != nil {
		r.refusals.remember(r.Recorder, run, "CredentialNotCreated", secret, err)
		return err
	}
	r.refusals.forget(secret)
	job := client.ObjectKeyFromObject(a.Create)
	if err := createJob(ctx, r.Client, r.Live, run, a); err != nil {
		r.refusals.remember(r.Recorder, run, "JobNotCreated", job, err)
		return err
	}
	r.refusals.forget(job)
	return nil
}

// namesInvalidFields reports whether the API server refused an object because of fields that it names. Only a change of
// the spec can help then. A cluster's own policies refuse with the same code, but name no field.
func namesInvalidFields(err error) bool {
	var s apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &s) {
		return false
	}
	details := s.Status().Details
	return details != nil && len(details.Causes) > 0
}

// deleteOne deletes an object by name and uid. Kubernetes deletes what the object owns in the background, so that pods
// have their grace period. deleteOne returns no error if the object is gone already.
func deleteOne(ctx context.Context, c client.Client, o client.Object, reason string) error {
	uid := o.GetUID()
	inBackground := client.PropagationPolicy(metav1.DeletePropagationBackground)
	err := c.Delete(ctx, o, inBackground, client.Preconditions{UID: &uid})
	// A conflict means that the name belongs to another object by now.
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete %s: %w", o.GetName(), err)
	}
	log.FromContext(ctx).Info("deleted", "name", o.GetName(), "reason", reason)
	return nil
}

// stillNewest returns errBehind if the API server has another version of the planned object, or another object of that
// name. current receives the object.
func stillNewest(ctx context.Context, live client.Reader, planned, current client.Object) error {
	if err := live.Get(ctx, client.ObjectKeyFromObject(planned), current); err != nil {
		return fmt.Errorf("read %s again: %w", planned.GetName(), err)
	}
	if current.GetUID() != planned.GetUID() || current.GetResourceVersion() != planned.GetResourceVersion() {
		return errBehind
	}
	return nil
}

// createJob creates a Job. It is idempotent by name: it returns no error if the owner has a Job of that name already. A
// Job of that name with another owner is an error.
func createJob(ctx context.Context, c client.Client, live client.Reader, owner client.Object, a decision.Action) error {
	failpoint.Here("job.before")
	err := c.Create(ctx, a.Create)
	failpoint.Here("job.after")
	if err == nil {
		log.FromContext(ctx).Info("created a Job", "job", a.Create.Name, "reason", a.Reason)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Job %s: %w", a.Create.Name, err)
	}
	var there batchv1.Job
	if err := live.Get(ctx, client.ObjectKeyFromObject(a.Create), &there); err != nil {
		return fmt.Errorf("read Job %s: %w", a.Create.Name, err)
	}
	if !owns(owner, &there) {
		return fmt.Errorf("a Job %s exists already, and %s does not own it: if an older object of that name left it, "+
			"Kubernetes deletes the Job soon; otherwise delete the Job", there.Name, owner.GetName())
	}
	return nil
}

// ensureCredential creates the run's Secret with a NATS user, unless a Secret of that name exists. The operator may
// create Secrets but not read them. It trusts an existing Secret, because the name contains the run's uid.
func (r *TrainingRunReconciler) ensureCredential(ctx context.Context, run *api.TrainingRun) error {
	creds, err := r.Issuer.Run(string(run.UID))
	if err != nil {
		metrics.CredentialErrors.Inc()
		return fmt.Errorf("make the credential of TrainingRun %s: %w", run.Name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: run.Namespace, Name: plan.SecretName(run),
			Labels: map[string]string{
				podspec.ManagedBy: podspec.Manager,
				api.LabelRun:      run.Name,
				api.LabelRunUID:   string(run.UID),
			},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(run, api.GroupVersion.WithKind("TrainingRun")),
			},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{podspec.CredentialFile: creds},
	}
	if r.CA != nil {
		secret.Data[podspec.AuthorityFile] = r.CA
	}
	if err := r.Client.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		metrics.CredentialErrors.Inc()
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	r.credentials.Store(run.UID, nil)
	return nil
}

// ensureCredentialOnce calls ensureCredential once for each run and each start of the operator, before the run is
// admitted. To replace the credential of an active run, a person deletes the Secret and restarts the operator
// (docs/adr/0009).
func (r *TrainingRunReconciler) ensureCredentialOnce(ctx context.Context, run *api.TrainingRun) error {
	if _, ensured := r.credentials.Load(run.UID); ensured {
		return nil
	}
	err := r.ensureCredential(ctx, run)
	// The pods of a run that has begun have their credential, and the next attempt tries again.
	if err != nil && run.Status.StartTime != nil {
		log.FromContext(ctx).Info("cannot make sure that the run's credential exists", "cause", err.Error())
		return nil
	}
	return err
}
