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

// What cannot be created is tried again and again; it is told when the words change, and again after it went well in
// between.
func TestARefusalIsToldOnce(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	var noJob, noSecret error
	c := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
		if _, secret := o.(*corev1.Secret); secret {
			return noSecret
		}
		return noJob
	}})
	recorder := events.NewFakeRecorder(10)
	r := &TrainingRunReconciler{Client: c, Live: c, Recorder: recorder, Issuer: issuer}
	run := &api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: "11111111-aaaa"}}
	create := func(name string) decision.Action {
		return decision.Action{Create: &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: name}}}
	}
	webhook := func(what string) error {
		return errors.New(`failed calling webhook "mjob.kb.io": ` + what)
	}
	for i, step := range []struct {
		job              string
		noJob, noSecret  error
		want, wantStatus string // begins and holds what is told; empty: nothing
	}{
		{job: "sweep-d18-a1", noJob: webhook("connection refused"), want: "JobNotCreated", wantStatus: "connection refused"},
		{job: "sweep-d18-a1", noJob: webhook("connection refused"), wantStatus: "connection refused"},
		{job: "sweep-d34-a1", noJob: webhook("connection refused"), want: "JobNotCreated", wantStatus: "connection refused"},
		{job: "sweep-d18-a1", noJob: webhook("no endpoints"), want: "JobNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noJob: webhook(strings.Repeat("é", maxNote)), want: "JobNotCreated", wantStatus: "éé"},
		{job: "sweep-d18-a1"},
		{job: "sweep-d18-a1", noJob: webhook("no endpoints"), want: "JobNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noSecret: webhook("a quota"), want: "CredentialNotCreated", wantStatus: "no endpoints"},
		{job: "sweep-d18-a1", noSecret: webhook("a quota"), wantStatus: "no endpoints"},
	} {
		noJob, noSecret = step.noJob, step.noSecret
		a := create(step.job)
		if err := r.act(t.Context(), run, a); (err != nil) != (noJob != nil || noSecret != nil) {
			t.Fatalf("step %d: %v", i, err)
		}
		told := ""
		select {
		case told = <-recorder.Events:
		default:
		}
		if !strings.HasPrefix(told, strings.TrimSuffix("Warning "+step.want, "Warning ")) || (told == "") != (step.want == "") || len(told) > maxNote+40 {
			t.Errorf("step %d: told %q, want %q", i, told, step.want)
		}
		why := r.refusals.of(client.ObjectKeyFromObject(a.Create))
		if (why == nil) != (step.wantStatus == "") || why != nil && !strings.Contains(why.Error(), step.wantStatus) {
			t.Errorf("step %d: the status is told %v, want %q", i, why, step.wantStatus)
		}
	}
}
