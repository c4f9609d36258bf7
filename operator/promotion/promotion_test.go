package promotion

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

// shop is a cluster in which one version is published, and the operator's loop over it.
type shop struct {
	t       *testing.T
	cluster clustertest.Cluster
	version *api.ModelVersion
	model   *api.Model
	now     time.Time
	story   strings.Builder
}

func newShop(t *testing.T) *shop {
	return &shop{
		t: t, now: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC),
		version: &api.ModelVersion{
			ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "erasers-v3", UID: "33333333"},
			Spec: api.ModelVersionSpec{
				Model: "erasers", Version: 3, Run: api.RunRef{Name: "sweep", UID: "11111111"}, Trial: "d50", Depth: 50, Epoch: 7,
				Checkpoint: api.CheckpointRef{URI: "file:///checkpoints/d50/best", Digest: "sha256:abc"},
			},
		},
		model: &api.Model{Spec: api.ModelSpec{Registry: api.Registry{URI: "file:///models"}, Publishing: api.PodTemplate{Image: "trainer:1"}}},
	}
}

func TestPublishingStories(t *testing.T) {
	for name, tell := range map[string]func(*shop){
		"a version is published":                            shopPublishes,
		"a version waits for its model":                     shopWaits,
		"a tampered checkpoint is not published":            shopTampered,
		"a registry that cannot be written is given up":     shopUnwritable,
		"a publishing Job is deleted":                       shopDeleted,
		"a publishing Job says nothing of what it has done": shopMute,
		"a publishing pod is lost with its node":            shopLost,
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			tell(s)
			clustertest.Golden(t, name, s.story.String())
		})
	}
}

func shopPublishes(s *shop) {
	s.step("promoted")
	s.schedule()
	s.step("the pod runs")
	s.after(time.Second)
	s.exit(0, wire.Result{Reason: "Published", URI: "file:///models/erasers/3", Digest: "sha256:def"})
	s.step("the pod ends")
}

func shopWaits(s *shop) {
	model := s.model
	s.model = nil
	s.step("promoted to a model that does not exist")
	s.model = model
	s.step("the model is made")
}

func shopTampered(s *shop) {
	s.step("promoted")
	s.schedule()
	s.exit(wire.ExitData, wire.Result{Reason: "DamagedCheckpoint", Message: "weights.safetensors has another digest than its manifest says", Where: "file:///checkpoints/d50/best"})
	s.step("the pod ends")
}

func shopUnwritable(s *shop) {
	s.step("promoted")
	for range 4 {
		s.schedule()
		s.exit(wire.ExitStore, wire.Result{Reason: "StoreFailed", Message: "make file:///models/erasers: permission denied"})
		s.step("the pod ends")
		s.after(10 * time.Second)
		s.step("time passes")
	}
}

func shopDeleted(s *shop) {
	s.step("promoted")
	s.schedule()
	s.step("the pod runs")
	s.remove("erasers-v3-p1", true)
	s.step("somebody deletes the Job; its pod lingers")
	s.cluster.Pods = nil
	s.step("the pod is gone")
}

func shopLost(s *shop) {
	s.step("promoted")
	s.schedule()
	s.cluster.Pods[0].DeletionTimestamp = decision.Time(s.now)
	s.step("its node is gone, and the pod is told to end")
	p := Make(Input{Version: s.version, Model: s.model, Cluster: s.cluster.Cluster, Now: s.now})
	if p.After != attempt.DefaultNodeLossSeconds*time.Second {
		s.t.Errorf("looked at again after %s", p.After)
	}
	s.after(p.After)
	s.step("nobody has heard of it")
	s.after(5 * time.Second)
	s.step("time passes")
}

func shopMute(s *shop) {
	s.step("promoted")
	s.schedule()
	s.exit(0, wire.Result{})
	s.step("the pod ends with exit code 0 and no word")
}

func (s *shop) after(d time.Duration) { s.now = s.now.Add(d) }

func (s *shop) schedule() { s.cluster.Schedule(s.now) }

func (s *shop) remove(job string, podLingers bool) {
	if !s.cluster.Remove(job, podLingers) {
		s.t.Fatalf("no Job %s", job)
	}
}

func (s *shop) exit(code int32, r wire.Result) {
	s.cluster.Exit(s.cluster.Pods[len(s.cluster.Pods)-1], code, "", r, s.now)
}

func (s *shop) plan() Plan {
	return Make(Input{Version: s.version.DeepCopy(), Model: s.model, Cluster: s.cluster.Cluster, Now: s.now})
}

func (s *shop) step(what string) {
	s.t.Helper()
	fmt.Fprintf(&s.story, "%s %s\n", s.now.Format("15:04:05"), what)
	for n := 0; ; n++ {
		if n > 10 {
			s.t.Fatal("the plan does not settle")
		}
		p := s.plan()
		changed := !equality.Semantic.DeepEqual(p.Status, s.version.Status)
		s.version.Status = p.Status
		for _, e := range p.Events {
			fmt.Fprintf(&s.story, "  event %s: %s\n", e.Reason, e.Message)
			if !changed {
				s.t.Errorf("an event without a change: %+v", e)
			}
		}
		for _, a := range p.Actions {
			if !s.cluster.Has(a.Create.Name) {
				fmt.Fprintf(&s.story, "  create Job %s: %s\n", a.Create.Name, a.Reason)
				s.cluster.Create(a.Create, s.now)
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	for _, c := range s.version.Status.Conditions {
		fmt.Fprintf(&s.story, "    %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	if s.version.Status.URI != "" {
		fmt.Fprintf(&s.story, "    %s %s\n", s.version.Status.URI, s.version.Status.Digest)
	}
	fmt.Fprintf(&s.story, "    model: %+v\n", ModelStatus(&api.Model{}, s.version))
}

// An operator may die before it has written a version's status (failpoint version.before), or when it has and nothing
// else (version.after). The next one ends where one that lives does, with one Job.
func TestAnOperatorDiesAtEachStatusOfAVersion(t *testing.T) {
	for died, written := range map[string]bool{"before it was written": false, "after it was written": true} {
		t.Run(died, func(t *testing.T) {
			s := newShop(t)
			deaths := 0
			observed := func() {
				if p := s.plan(); !equality.Semantic.DeepEqual(p.Status, s.version.Status) {
					deaths++
					if written {
						s.version.Status = p.Status
					}
				}
				s.step("the next operator looks")
			}
			observed()
			s.schedule()
			observed()
			s.exit(0, wire.Result{Reason: "Published", URI: "file:///models/erasers/3", Digest: "sha256:def"})
			observed()
			if deaths < 3 {
				t.Errorf("operators died %d times, at less than every status", deaths)
			}
			if v := s.version.Status; v.CompletionTime == nil || v.Digest != "sha256:def" || v.Attempts != 1 || len(s.cluster.Jobs) != 1 {
				t.Errorf("%d Jobs, status %+v", len(s.cluster.Jobs), v)
			}
		})
	}
}

func TestNamesFit(t *testing.T) {
	if name := JobName(strings.Repeat("m", 40)+"-v999999999", 4); len(name) > 63 {
		t.Errorf("%s is no label", name)
	}
}
