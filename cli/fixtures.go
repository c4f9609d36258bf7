package main

import (
	"context"
	"embed"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// noon is when every test happens: ten minutes after the runs in testdata were created.
var noon = time.Date(2026, 11, 24, 6, 10, 0, 0, time.UTC)

//go:embed runs/*.yaml
var runs embed.FS

// readRun returns the run of the file runs/<name>.yaml, in that state.
func readRun(t *testing.T, name string) *api.TrainingRun {
	t.Helper()
	b, err := runs.ReadFile("runs/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r api.TrainingRun
	if err := yaml.UnmarshalStrict(b, &r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &r
}

// named is the run of a file under another name.
func named(t *testing.T, state, name string) *api.TrainingRun {
	r := readRun(t, state)
	r.Name, r.UID = name, types.UID("uid-"+name)
	return r
}

func model(name string, lastNumber int64) *api.Model {
	return &api.Model{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "inspection"}, Spec: api.ModelSpec{Registry: api.Registry{URI: "file:///models"}}, Status: api.ModelStatus{LastNumber: lastNumber}}
}

func modelVersion(name string, number int64) *api.ModelVersion {
	return &api.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "inspection"}, Spec: api.ModelVersionSpec{Model: name[:strings.LastIndex(name, "-v")], Version: number}}
}

// asAnna lets the API server say who asks.
func asAnna(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
	if r, ok := obj.(*authenticationv1.SelfSubjectReview); ok {
		r.Status.UserInfo.Username = "anna@example.com"
		return nil
	}
	return c.Create(ctx, obj, opts...)
}

// inspection returns the runs good, bad and new, a run in another namespace, and two models, one of which has versions.
func inspection(t *testing.T) []client.Object {
	t.Helper()
	elsewhere := named(t, "running", "elsewhere")
	elsewhere.Namespace = "lab"
	v := modelVersion("eraser-v2", 2)
	v.Spec.Run.Name, v.Spec.Trial, v.Spec.Epoch, v.Spec.PromotedBy = "good", "d50", 8, "anna"
	v.Status = api.ModelVersionStatus{URI: "file:///models/eraser/2", Conditions: []metav1.Condition{{Type: api.ConditionPublished, Status: metav1.ConditionTrue}}}
	ten := modelVersion("eraser-v10", 10)
	return []client.Object{named(t, "finished", "good"), named(t, "failed", "bad"), named(t, "waiting", "new"), elsewhere, model("eraser", 10), model("unused", 0), v, ten}
}
