package promote

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/golden"
	"plumbline.dev/plumbline/cli/runstate"
)

func TestPromote(t *testing.T) {
	tests := map[string]struct {
		run     string
		objects []client.Object
		args    []string
		code    int
		created string   // the name of the ModelVersion that promote creates; "" for none
		says    []string // on stderr
	}{
		"the first version is 1": {
			run:     "finished",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			created: "eraser-v1",
			says:    []string{"Created model version eraser-v1: trial d50 of run erasers, epoch 8, AUC-PR 0.9058"},
		},
		"the next number is above those that exist": {
			run: "finished",
			objects: []client.Object{
				clustertest.Model("eraser", 0),
				clustertest.ModelVersion("eraser-v3", 3),
				clustertest.ModelVersion("other-v9", 9),
			},
			created: "eraser-v4",
		},
		"a number that was deleted is not used again": {
			run:     "finished",
			objects: []client.Object{clustertest.Model("eraser", 7), clustertest.ModelVersion("eraser-v3", 3)},
			created: "eraser-v8",
		},
		"another trial's best can be promoted": {
			run:     "finished",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			args:    []string{"--trial", "d18", "--reason", "half the latency"},
			created: "eraser-v1",
		},
		"a failed trial's checkpoint can be promoted": {
			run:     "finished",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			args:    []string{"--trial", "d152"},
			created: "eraser-v1",
		},
		"a run that still runs is refused": {
			run:     "running",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			code:    1,
			says: []string{
				"has no final best checkpoint yet (Running, 1/5 trials ended): " +
					"a better checkpoint than the best so far (d34 at epoch 7) may still come",
				"--provisional",
				"plumb watch erasers -n inspection",
			},
		},
		"a run that still runs is promoted with --provisional": {
			run:     "running",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			args:    []string{"--provisional"},
			created: "eraser-v1",
		},
		"a run without a checkpoint is refused with the reason": {
			run:     "failed",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			code:    1,
			says:    []string{"ended without a best checkpoint: no trial has a committed checkpoint"},
		},
		"a trial that does not exist is refused": {
			run:     "finished",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			args:    []string{"--trial", "d99"},
			code:    1,
			says:    []string{`has no trial "d99"`, "Its trials: d18, d34, d50, d101, d152"},
		},
		"a trial without a checkpoint is refused": {
			run:     "running",
			objects: []client.Object{clustertest.Model("eraser", 0)},
			args:    []string{"--trial", "d152", "--provisional"},
			code:    1,
			says:    []string{"trial d152 of run \"erasers\" has no committed checkpoint: the image is being pulled"},
		},
		"the error for a missing model holds a manifest": {
			run:  "finished",
			code: 1,
			says: []string{`model "eraser" does not exist in namespace inspection`, "kind: Model", "claimName: models"},
		},
		"a reason that is too long is refused": {
			run:  "finished",
			args: []string{"--reason", strings.Repeat("x", 1025)},
			code: 2,
			says: []string{"--reason has 1025 bytes; the limit is 1024"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			run := clustertest.ReadRun(t, tt.run)
			p := &clustertest.Program{
				Tree:    clustertest.Verbs(NewCmdPromote),
				Objects: append(tt.objects, run),
				Funcs:   interceptor.Funcs{Create: clustertest.AsAnna},
			}
			args := append([]string{"promote", "erasers", "--model", "eraser", "--no-wait"}, tt.args...)
			if code := p.Run(t, args...); code != tt.code {
				t.Fatalf("exit code %d, want %d; stderr:\n%s", code, tt.code, p.Err.String())
			}
			for _, s := range tt.says {
				if !strings.Contains(p.Err.String(), s) {
					t.Errorf("stderr lacks %q:\n%s", s, p.Err.String())
				}
			}
			if tt.created == "" {
				return
			}
			var v api.ModelVersion
			key := client.ObjectKey{Namespace: "inspection", Name: tt.created}
			if err := p.Client.Get(t.Context(), key, &v); err != nil {
				t.Fatal(err)
			}
			trial := runstate.FindTrial(run, v.Spec.Trial)
			want := api.ModelVersionSpec{
				Model:      "eraser",
				Version:    v.Spec.Version,
				Run:        api.RunRef{Name: "erasers", UID: string(run.UID)},
				Trial:      trial.Name,
				Depth:      trial.Depth,
				Epoch:      trial.Best.Epoch,
				Checkpoint: trial.Best.Checkpoint,
				Metrics:    trial.Best.Metrics,
				PromotedBy: "anna@example.com",
				Reason:     v.Spec.Reason,
			}
			if diff := cmp.Diff(want, v.Spec); diff != "" {
				t.Errorf("spec of the ModelVersion (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPromotionsAtOnce makes two commands list the versions before either creates one. Each still gets its own number.
func TestPromotionsAtOnce(t *testing.T) {
	var listed sync.WaitGroup
	listed.Add(2)
	shared := &clustertest.Program{
		Tree:    clustertest.Verbs(NewCmdPromote),
		Objects: []client.Object{clustertest.ReadRun(t, "finished"), clustertest.Model("eraser", 4)},
		Funcs: interceptor.Funcs{
			Create: clustertest.AsAnna,
			List: func(
				ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption,
			) error {
				err := c.List(ctx, list, opts...)
				listed.Done()
				listed.Wait()
				return err
			},
		},
	}
	if _, err := shared.Dial(nil); err != nil {
		t.Fatal(err)
	}
	names := make([]string, 2)
	var both sync.WaitGroup
	for i := range names {
		both.Go(func() {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdPromote), Client: shared.Client}
			if code := p.Run(t, "promote", "erasers", "--model", "eraser", "--no-wait", "-o", "name"); code != 0 {
				t.Errorf("exit code %d: %s", code, p.Err.String())
			}
			names[i] = strings.TrimSpace(p.Out.String())
		})
	}
	both.Wait()
	got := strings.Join(names, " ")
	const first, second = "modelversion.plumbline.dev/eraser-v5", "modelversion.plumbline.dev/eraser-v6"
	if got != first+" "+second && got != second+" "+first {
		t.Errorf("two promotions at the same time created %q", got)
	}
}

func TestPromoteWaits(t *testing.T) {
	published := func(status metav1.ConditionStatus, message string) metav1.Condition {
		return metav1.Condition{Type: api.ConditionPublished, Status: status, Reason: "R", Message: message}
	}
	now := metav1.Time{Time: clustertest.Now}
	tests := map[string]struct {
		status api.ModelVersionStatus // what the operator writes
		remove bool                   // somebody deletes the version
		args   []string
		code   int
		out    string
		says   string // the end of stderr
	}{
		"until it is published": {
			status: api.ModelVersionStatus{
				URI:            "file:///models/eraser/1",
				Conditions:     []metav1.Condition{published(metav1.ConditionTrue, "x")},
				CompletionTime: &now,
			},
			out: "eraser version 1 is published: file:///models/eraser/1\n",
		},
		"until publishing has failed, and prints the condition's message": {
			status: api.ModelVersionStatus{
				Job: "eraser-v1-p1",
				Conditions: []metav1.Condition{
					published(metav1.ConditionFalse, "weights.safetensors: sha256 does not match the manifest"),
				},
				CompletionTime: &now,
			},
			code: 1,
			says: "eraser-v1 was not published: weights.safetensors: sha256 does not match the manifest",
		},
		"until the timeout has passed": {
			status: api.ModelVersionStatus{
				Conditions: []metav1.Condition{
					published(metav1.ConditionFalse, "Job eraser-v1-p1 checks, exports and publishes"),
				},
			},
			args: []string{"--timeout", "200ms"},
			code: 3,
			says: "eraser-v1 is not published after 200ms: Job eraser-v1-p1 checks, exports and publishes",
		},
		"until the version is deleted": {
			remove: true, code: 1, says: "eraser-v1 was deleted before it was published",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{
				Tree:    clustertest.Verbs(NewCmdPromote),
				Objects: []client.Object{clustertest.ReadRun(t, "finished"), clustertest.Model("eraser", 0)},
				Funcs: interceptor.Funcs{
					Create: func(
						ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption,
					) error {
						err := clustertest.AsAnna(ctx, c, obj, opts...)
						v, ok := obj.(*api.ModelVersion)
						if !ok || err != nil {
							return err
						}
						if tt.remove {
							return c.Delete(ctx, v.DeepCopy())
						}
						operator := v.DeepCopy()
						operator.Status = tt.status
						return c.Update(ctx, operator)
					},
				},
			}
			args := append([]string{"promote", "erasers", "--model", "eraser"}, tt.args...)
			if code := p.Run(t, args...); code != tt.code {
				t.Errorf("exit code %d, want %d; stderr:\n%s", code, tt.code, p.Err.String())
			}
			if p.Out.String() != tt.out {
				t.Errorf("printed %q, want %q", p.Out.String(), tt.out)
			}
			if !strings.Contains(p.Err.String(), tt.says) {
				t.Errorf("stderr lacks %q:\n%s", tt.says, p.Err.String())
			}
		})
	}
}

func TestModelManifestIsComplete(t *testing.T) {
	run := clustertest.ReadRun(t, "finished")
	manifest := modelManifest("eraser", run)
	golden.Check(t, "manifest", manifest)
	var m api.Model
	if err := yaml.UnmarshalStrict([]byte(manifest), &m); err != nil {
		t.Fatal(err)
	}
	pod := m.Spec.Publishing
	var mounts []string
	for _, v := range pod.VolumeMounts {
		mounts = append(mounts, v.Name+" "+v.MountPath)
	}
	if diff := cmp.Diff([]string{"data /data", "checkpoints /checkpoints", "models /models"}, mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if _, gpu := pod.Resources.Limits[api.ResourceGPU]; gpu || pod.NodeSelector != nil {
		t.Error("the publishing Job requests a GPU node")
	}
	if len(run.Spec.Template.VolumeMounts) != 2 || run.Spec.Template.NodeSelector == nil {
		t.Error("the run was changed")
	}
	if pod.Image != run.Spec.Template.Image || m.Namespace != "inspection" || m.Spec.Registry.URI != "file:///models" {
		t.Errorf("manifest %+v", m)
	}
}

func TestPromoteAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"promote without a model": {Args: "promote good", Code: 2, Err: []string{"--model is missing"}},
		"complete a model": {
			Args: "__complete promote good --model ",
			Out:  []string{"eraser\tfile:///models", "unused"},
		},
		"complete a trial": {
			Args: "__complete promote good --trial ",
			Out:  []string{"d50\tSucceeded 8/8"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdPromote), Objects: clustertest.Inspection(t)}
			want.Check(t, p)
		})
	}
}
