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

// errBehind says that the plan was made from an old state.
var errBehind = errors.New("the cache is behind")

// apply creates and deletes the Jobs that the record asks for. A record that was not written just now may be an old
// one: the API server is asked whether it is still what the plan was made from.
func (r *TrainingRunReconciler) apply(ctx context.Context, run *api.TrainingRun, actions []decision.Action, written bool) error {
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

// invalid says whether the API server has named fields that nothing but another spec can put right. Policies of a
// cluster's own refuse with the same code and name none.
func invalid(err error) bool {
	var s apierrors.APIStatus
	return apierrors.IsInvalid(err) && errors.As(err, &s) && s.Status().Details != nil && len(s.Status().Details.Causes) > 0
}

// deleteOne deletes this very object, and in the background what it owns: pods have their grace period. One that is
// gone is done.
func deleteOne(ctx context.Context, c client.Client, o client.Object, reason string) error {
	uid := o.GetUID()
	err := c.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) { // a conflict: another one of that name by now
		return fmt.Errorf("delete %s: %w", o.GetName(), err)
	}
	log.FromContext(ctx).Info("deleted", "name", o.GetName(), "reason", reason)
	return nil
}

func stillNewest(ctx context.Context, live client.Reader, planned, now client.Object) error {
	if err := live.Get(ctx, client.ObjectKeyFromObject(planned), now); err != nil {
		return fmt.Errorf("look at %s again: %w", planned.GetName(), err)
	}
	if now.GetUID() != planned.GetUID() || now.GetResourceVersion() != planned.GetResourceVersion() {
		return errBehind
	}
	return nil
}

// createJob is idempotent by name: a Job of that name that the same owner made is the same Job.
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
		return fmt.Errorf("look at Job %s: %w", a.Create.Name, err)
	}
	if !owns(owner, &there) {
		return fmt.Errorf("the Job %s exists and is not of %s: if it is what an older one of that name left, it will go; otherwise delete it", there.Name, owner.GetName())
	}
	return nil
}

// ensureCredential creates the run's Secret with a NATS user. The operator may create Secrets and do nothing else with
// them: one of that name, which has the run's uid in it, is taken to be right.
func (r *TrainingRunReconciler) ensureCredential(ctx context.Context, run *api.TrainingRun) error {
	creds, err := r.Issuer.Run(string(run.UID))
	if err != nil {
		metrics.CredentialErrors.Inc()
		return fmt.Errorf("make the credential of TrainingRun %s: %w", run.Name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: run.Namespace, Name: plan.SecretName(run),
			Labels:          map[string]string{podspec.ManagedBy: podspec.Manager, api.LabelRun: run.Name, api.LabelRunUID: string(run.UID)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, api.GroupVersion.WithKind("TrainingRun"))},
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

// ensureCredentialOnce creates a run's Secret, if it is missing, once for each start of the operator and before the run
// is admitted. A person replaces the credential of an active run by deleting the Secret and restarting the operator
// (docs/adr/0009).
func (r *TrainingRunReconciler) ensureCredentialOnce(ctx context.Context, run *api.TrainingRun) error {
	if _, ensured := r.credentials.Load(run.UID); ensured {
		return nil
	}
	err := r.ensureCredential(ctx, run)
	if err != nil && run.Status.StartTime != nil { // its pods have one; the next attempt asks again
		log.FromContext(ctx).Info("cannot see to the run's credential", "cause", err.Error())
		return nil
	}
	return err
}
