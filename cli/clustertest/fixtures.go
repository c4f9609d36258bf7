package clustertest

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

// Noon is when every test happens: ten minutes after the runs in testdata were created.
var Noon = time.Date(2026, 11, 24, 6, 10, 0, 0, time.UTC)

//go:embed runs/*.yaml
var runs embed.FS

// ReadRun returns the run of the file runs/<name>.yaml, in that state.
func ReadRun(t *testing.T, name string) *api.TrainingRun {
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

// Named is the run of a file under another name.
func Named(t *testing.T, state, name string) *api.TrainingRun {
	r := ReadRun(t, state)
	r.Name, r.UID = name, types.UID("uid-"+name)
	return r
}

// Model is a Model whose highest version number so far is lastNumber.
func Model(name string, lastNumber int64) *api.Model {
	return &api.Model{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "inspection"},
		Spec:       api.ModelSpec{Registry: api.Registry{URI: "file:///models"}},
		Status:     api.ModelStatus{LastNumber: lastNumber},
	}
}

// ModelVersion is a version of the model that its name, such as eraser-v2, begins with.
func ModelVersion(name string, number int64) *api.ModelVersion {
	return &api.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "inspection"},
		Spec:       api.ModelVersionSpec{Model: name[:strings.LastIndex(name, "-v")], Version: number},
	}
}

// AsAnna lets the API server say who asks.
func AsAnna(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
	if r, ok := obj.(*authenticationv1.SelfSubjectReview); ok {
		r.Status.UserInfo.Username = "anna@example.com"
		return nil
	}
	return c.Create(ctx, obj, opts...)
}

// Inspection returns the runs good, bad and new, a run in another namespace, and two models, one of which has versions.
func Inspection(t *testing.T) []client.Object {
	t.Helper()
	elsewhere := Named(t, "running", "elsewhere")
	elsewhere.Namespace = "lab"
	v := ModelVersion("eraser-v2", 2)
	v.Spec.Run.Name, v.Spec.Trial, v.Spec.Epoch, v.Spec.PromotedBy = "good", "d50", 8, "anna"
	v.Status = api.ModelVersionStatus{
		URI:        "file:///models/eraser/2",
		Conditions: []metav1.Condition{{Type: api.ConditionPublished, Status: metav1.ConditionTrue}},
	}
	ten := ModelVersion("eraser-v10", 10)
	return []client.Object{
		Named(t, "finished", "good"), Named(t, "failed", "bad"), Named(t, "waiting", "new"), elsewhere,
		Model("eraser", 10), Model("unused", 0), v, ten,
	}
}
