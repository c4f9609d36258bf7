package controller

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/operator/plan"
)

// An operator ensures a run's Secret once. If a person deletes the Secret to replace the credential, the next operator
// creates it again.
func TestACredentialIsCreatedAgainAfterARestart(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	started := metav1.Now()
	run := &api.TrainingRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: "11111111-aaaa"},
		Status:     api.TrainingRunStatus{StartTime: &started},
	}
	creates, denied := 0, error(nil)
	create := func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
		creates++
		if denied != nil {
			return denied
		}
		return c.Create(ctx, o, options...)
	}
	c := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{Create: create})
	operator := func() *TrainingRunReconciler { return &TrainingRunReconciler{Client: c, Issuer: issuer} }
	ensure := func(r *TrainingRunReconciler, wantCreates int) {
		t.Helper()
		creates = 0
		if err := r.ensureCredentialOnce(t.Context(), run); err != nil || creates != wantCreates {
			t.Errorf("%d Secrets were created or tried, want %d; %v", creates, wantCreates, err)
		}
	}
	first := operator()
	ensure(first, 1)
	ensure(first, 0)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: plan.SecretName(run)}}
	if err := c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	ensure(operator(), 1)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Error(err)
	}
	ensure(operator(), 1) // the Secret exists

	denied = errors.New("a quota")
	ensure(operator(), 1) // the run continues, because its pods have their credential
	run.Status.StartTime = nil
	if err := operator().ensureCredentialOnce(t.Context(), run); !errors.Is(err, denied) {
		t.Errorf("a run without a credential is admitted: %v", err)
	}
}
