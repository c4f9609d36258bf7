package plan

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// shop is a world in which one version is published.
type shop struct {
	*world
	version *api.ModelVersion
	model   *api.Model
}

func newShop(t *testing.T) *shop {
	return &shop{
		world: newWorld(t),
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
			golden(t, name, s.story.String())
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
	s.cluster.Pods[0].DeletionTimestamp = moment(s.now)
	s.step("its node is gone, and the pod is told to end")
	p := MakePublish(PublishInput{Version: s.version, Model: s.model, Cluster: s.cluster, Now: s.now})
	if p.After != defaultNodeLossSeconds*time.Second {
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

func (s *shop) exit(code int32, r wire.Result) {
	p := s.cluster.Pods[len(s.cluster.Pods)-1]
	p.Status.Phase = corev1.PodFailed
	if code == 0 {
		p.Status.Phase = corev1.PodSucceeded
	}
	message := ""
	if r != (wire.Result{}) {
		message = string(r.Encode())
	}
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message, FinishedAt: metav1.NewTime(s.now)}}
	s.endJobs()
}

func (s *shop) plan() PublishPlan {
	return MakePublish(PublishInput{Version: s.version.DeepCopy(), Model: s.model, Cluster: s.cluster, Now: s.now})
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
				s.cluster.Jobs = append(s.cluster.Jobs, s.create(a.Create))
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
	fmt.Fprintf(&s.story, "    model: %+v\n", ModelAfter(&api.Model{}, s.version))
}

// An operator may die before it has written a version's status (failpoint version.before), or when it has and nothing else (version.after).
// The next one ends where one that lives does, with one Job.
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
