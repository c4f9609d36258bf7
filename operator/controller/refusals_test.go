package controller

import (
	"context"
	"errors"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/natstest"
)

// The operator tries to create a refused object again and again. It records an event when the text of the refusal
// changes, and when the object is refused again after it was created.
func TestARefusalIsRecordedOnce(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	var noJob, noSecret error
	refuse := func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
		if _, isSecret := o.(*corev1.Secret); isSecret {
			return noSecret
		}
		return noJob
	}
	c := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{Create: refuse})
	recorder := events.NewFakeRecorder(10)
	r := &TrainingRunReconciler{Client: c, Live: c, Recorder: recorder, Issuer: issuer}
	run := &api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: "11111111-aaaa"}}
	createJob := func(name string) decision.Action {
		return decision.Action{Create: &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: name}}}
	}
	webhook := func(what string) error {
		return errors.New(`failed calling webhook "mjob.kb.io": ` + what)
	}
	refused, noEndpoints := webhook("connection refused"), webhook("no endpoints")
	for i, step := range []struct {
		job             string
		noJob, noSecret error
		want            string // the event's reason; empty: no event
		wantStatus      string // in what the status shows; empty: nothing
	}{
		{job: "sweep-d18-a1", noJob: refused, want: "JobNotCreated", wantStatus: "connection refused"},
		{job: "sweep-d18-a1", noJob: refused, wantStatus: "connection refused"},
		{job: "sweep-d34-a1", noJob: refused, want: "JobNotCreated", wantStatus: "connection refused"},
		{job: "sweep-d18-a1", noJob: noEndpoints, want: "JobNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noJob: webhook(strings.Repeat("é", maxNote)), want: "JobNotCreated", wantStatus: "éé"},
		{job: "sweep-d18-a1"},
		{job: "sweep-d18-a1", noJob: noEndpoints, want: "JobNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noSecret: webhook("a quota"), want: "CredentialNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noSecret: webhook("a quota"), wantStatus: "no endpoints"},
	} {
		noJob, noSecret = step.noJob, step.noSecret
		a := createJob(step.job)
		if err := r.act(t.Context(), run, a); (err != nil) != (noJob != nil || noSecret != nil) {
			t.Fatalf("step %d: %v", i, err)
		}
		recorded, wantPrefix := "", ""
		if step.want != "" {
			wantPrefix = "Warning " + step.want
		}
		select {
		case recorded = <-recorder.Events:
		default:
		}
		isWanted := strings.HasPrefix(recorded, wantPrefix) && (recorded == "") == (step.want == "")
		if !isWanted || len(recorded) > maxNote+40 {
			t.Errorf("step %d: event %q, want %q", i, recorded, step.want)
		}
		why := r.refusals.of(client.ObjectKeyFromObject(a.Create))
		if (why == nil) != (step.wantStatus == "") || why != nil && !strings.Contains(why.Error(), step.wantStatus) {
			t.Errorf("step %d: the status shows %v, want %q", i, why, step.wantStatus)
		}
	}
}
