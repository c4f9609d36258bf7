package publishing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/clustertest"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/wire"
)

// world is a cluster in which one version is published, and the operator's loop over it.
type world struct {
	t       *testing.T
	cluster clustertest.Cluster
	version *api.ModelVersion
	model   *api.Model
	now     time.Time
	story   strings.Builder
}

func newWorld(t *testing.T) *world {
	return &world{
		t:   t,
		now: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC),
		version: &api.ModelVersion{
			ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "erasers-v3", UID: "33333333"},
			Spec: api.ModelVersionSpec{
				Model:      "erasers",
				Version:    3,
				Run:        api.RunRef{Name: "sweep", UID: "11111111"},
				Trial:      "d50",
				Depth:      50,
				Epoch:      7,
				Checkpoint: api.CheckpointRef{URI: "file:///checkpoints/d50/best", Digest: "sha256:abc"},
			},
		},
		model: &api.Model{Spec: api.ModelSpec{
			Registry:   api.Registry{URI: "file:///models"},
			Publishing: api.PodTemplate{Image: "trainer:1"},
		}},
	}
}

// Each story is a file under testdata. It says what happens to a version, and what the operator does.
func TestPublishingStories(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"a version is published":                          publishes,
		"a version waits for its model":                   waitsForModel,
		"a tampered checkpoint is not published":          tampered,
		"publishing fails after its retries":              unwritable,
		"a publishing Job is deleted":                     jobDeleted,
		"a publishing Job does not say what it published": saysNothing,
		"a publishing pod is lost with its node":          podLost,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tell(w)
			clustertest.Golden(t, name, w.story.String())
		})
	}
}

func publishes(w *world) {
	w.step("the version is created")
	w.schedule()
	w.step("the pod runs")
	w.after(time.Second)
	w.exit(0, wire.Result{Reason: "Published", URI: "file:///models/erasers/3", Digest: "sha256:def"})
	w.step("the pod ends")
}

func waitsForModel(w *world) {
	model := w.model
	w.model = nil
	w.step("a version of a model that does not exist is created")
	w.model = model
	w.step("the model is created")
}

func tampered(w *world) {
	w.step("the version is created")
	w.schedule()
	w.exit(wire.ExitData, wire.Result{
		Reason:  "DamagedCheckpoint",
		Message: "weights.safetensors has another digest than its manifest says",
		Where:   "file:///checkpoints/d50/best",
	})
	w.step("the pod ends")
}

func unwritable(w *world) {
	w.step("the version is created")
	for range 4 {
		w.schedule()
		w.exit(wire.ExitStore, wire.Result{
			Reason:  "StoreFailed",
			Message: "create file:///models/erasers: permission denied",
		})
		w.step("the pod ends")
		w.after(10 * time.Second)
		w.step("time passes")
	}
}

func jobDeleted(w *world) {
	w.step("the version is created")
	w.schedule()
	w.step("the pod runs")
	w.remove("erasers-v3-p1", true)
	w.step("somebody deletes the Job; its pod has not ended yet")
	w.cluster.Pods = nil
	w.step("the pod is gone")
}

func podLost(w *world) {
	w.step("the version is created")
	w.schedule()
	w.cluster.Pods[0].DeletionTimestamp = decision.Time(w.now)
	w.step("its node fails, and Kubernetes asks the pod to end")
	p := Make(Input{Version: w.version, Model: w.model, Cluster: w.cluster.Cluster, Now: w.now})
	if p.After != attempt.DefaultNodeLossSeconds*time.Second {
		w.t.Errorf("the next plan is due after %s", p.After)
	}
	w.after(p.After)
	w.step("the node has not confirmed in time that the pod ended")
	w.after(5 * time.Second)
	w.step("time passes")
}

func saysNothing(w *world) {
	w.step("the version is created")
	w.schedule()
	w.exit(0, wire.Result{})
	w.step("the pod ends with exit code 0 and without a message")
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) schedule() { w.cluster.Schedule(w.now) }

func (w *world) remove(job string, podLingers bool) {
	if !w.cluster.Remove(job, podLingers) {
		w.t.Fatalf("no Job %s", job)
	}
}

func (w *world) exit(code int32, r wire.Result) {
	w.cluster.Exit(w.cluster.Pods[len(w.cluster.Pods)-1], code, "", r, w.now)
}

func (w *world) plan() Plan {
	return Make(Input{Version: w.version.DeepCopy(), Model: w.model, Cluster: w.cluster.Cluster, Now: w.now})
}

// step adds to the story what happens, plans until nothing changes, and adds what the operator did and the new status.
func (w *world) step(what string) {
	w.t.Helper()
	fmt.Fprintf(&w.story, "%s %s\n", w.now.Format("15:04:05"), what)
	for n := 0; ; n++ {
		if n > 10 {
			w.t.Fatal("the plan does not settle")
		}
		p := w.plan()
		changed := !equality.Semantic.DeepEqual(p.Status, w.version.Status)
		w.version.Status = p.Status
		for _, e := range p.Events {
			fmt.Fprintf(&w.story, "  event %s: %s\n", e.Reason, e.Message)
			if !changed {
				w.t.Errorf("an event without a change: %+v", e)
			}
		}
		for _, a := range p.Actions {
			if !w.cluster.Has(a.Create.Name) {
				fmt.Fprintf(&w.story, "  create Job %s: %s\n", a.Create.Name, a.Reason)
				w.cluster.Create(a.Create, w.now)
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	for _, c := range w.version.Status.Conditions {
		fmt.Fprintf(&w.story, "    %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	if w.version.Status.URI != "" {
		fmt.Fprintf(&w.story, "    %s %s\n", w.version.Status.URI, w.version.Status.Digest)
	}
	fmt.Fprintf(&w.story, "    model: %+v\n", ModelStatus(&api.Model{}, w.version))
}

// An operator may be killed just before it writes a version's status (failpoint version.before), or just after
// (version.after). The next operator must reach the same result as an operator that was not killed, with one Job.
func TestAnOperatorIsKilledAtEachStatusOfAVersion(t *testing.T) {
	for name, written := range map[string]bool{"before it is written": false, "after it was written": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			kills := 0
			killAndPlan := func() {
				if p := w.plan(); !equality.Semantic.DeepEqual(p.Status, w.version.Status) {
					kills++
					if written {
						w.version.Status = p.Status
					}
				}
				w.step("the next operator plans")
			}
			killAndPlan()
			w.schedule()
			killAndPlan()
			w.exit(0, wire.Result{Reason: "Published", URI: "file:///models/erasers/3", Digest: "sha256:def"})
			killAndPlan()
			if kills < 3 {
				t.Errorf("operators were killed %d times, want at least 3: once at each status", kills)
			}
			v, published := w.version.Status, w.version.Status.Digest == "sha256:def"
			if v.CompletionTime == nil || !published || v.Attempts != 1 || len(w.cluster.Jobs) != 1 {
				t.Errorf("%d Jobs, status %+v", len(w.cluster.Jobs), v)
			}
		})
	}
}

// The name of a Job becomes a label of its pods, which may have 63 characters.
func TestJobNamesFitALabel(t *testing.T) {
	if name := jobName(strings.Repeat("m", 40)+"-v999999999", 4); len(name) > 63 {
		t.Errorf("%s has %d characters, too many for a label", name, len(name))
	}
}
