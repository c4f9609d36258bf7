package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Stories of TestStories about what bounds a run, and of what people may change while it is there.

func volumeNotMounted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	p := w.pod("d18")
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: podspec.Container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}
	w.step("its pod has a node, which sets it up")
	w.after(attempt.ExplainAfter)
	if names := attempt.Unexplained(w.run, w.cluster.Cluster, w.now); !slices.Equal(names, []string{p.Name}) {
		w.t.Errorf("what the cluster says is looked for of %v, want of the pod", names)
	}
	w.cluster.Warnings = map[string]string{p.Name: `FailedMount: MountVolume.SetUp failed for volume "data": mount failed: connection to nfs.lab refused`}
	w.step("that takes long: the cluster is asked what it says of the pod")
	w.cluster.Warnings = nil
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	w.step("the server is there again")
}

func parallelismChanges(w *world) {
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("the run is applied: one at a time")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("d18 trains")
	w.run.Spec.Parallelism = ptr.To(int32(2))
	w.step("somebody allows two: the next one starts at once")
	w.schedule()
	w.report("d34", 1, 0.6)
	w.step("d34 trains")
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("somebody allows but one: no pod is stopped")
	w.finish("d18", 4)
	w.step("d18 finishes: its place is not given on")
	w.finish("d34", 4)
	w.step("d34 finishes: now there is a place")
}

func deadlineSuspended(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.ActiveDeadlineSeconds = ptr.To(int64(600))
	w.step("the run is applied: it may be active for ten minutes")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.after(4 * time.Minute)
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends it after four")
	w.saved()
	w.step("its pod has saved itself")
	w.after(time.Hour)
	w.step("an hour passes")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("it goes on")
	w.schedule()
	w.report("d18", 2, 0.8)
	if p := Make(w.input()); p.After != 6*time.Minute {
		w.t.Errorf("its deadline is %s away, want the six minutes that are left", p.After)
	}
	w.after(6*time.Minute - time.Second)
	w.step("a second is left")
	w.after(time.Second)
	w.step("its time is over")
}

func interruptedTooOften(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxInterruptions: ptr.To(int32(2)), MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied: two interruptions are allowed, and no retry")
	for n := range 3 {
		w.schedule()
		w.began("d18", n)
		w.report("d18", n+1, 0.6)
		w.pod("d18").DeletionTimestamp = decision.Time(w.now)
		w.after(10 * time.Second)
		w.exit("d18", wire.ExitInterrupted, "Error", wire.Result{Reason: "Interrupted", Message: "stopped by SIGTERM"})
		w.step("its node is drained")
		w.after(5 * time.Second)
		w.step("time passes")
	}
}

func expires(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.TTLSecondsAfterFinished = ptr.To(int32(3600))
	w.step("the run is applied: it goes an hour after its end")
	w.schedule()
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("it ends")
	looksAgain := func(want time.Duration) {
		if p := Make(w.input()); p.After != want {
			w.t.Errorf("it is looked at again after %s, want %s", p.After, want)
		}
	}
	w.after(time.Minute)
	looksAgain(59 * time.Minute)
	w.promotions = 1
	w.after(59 * time.Minute)
	w.step("the hour is over, and a promotion of it is under way")
	looksAgain(expireEvery)
	if w.expired {
		w.t.Error("the run was deleted under its promotion")
	}
	w.promotions = 0
	w.after(expireEvery)
	w.step("the promotion has ended")
	if !w.expired {
		w.t.Error("the run stays")
	}
}

// One condition says what a run waits for, also where that is no trial's pod.
func TestRunningSaysWhatIsWaitedFor(t *testing.T) {
	away := func(w *world) {
		w.stream.Connected, w.stream.Problem = false, "NATS at nats://nats:4222 cannot be reached"
	}
	for name, tc := range map[string]struct {
		become func(*world)
		want   string
	}{
		"NATS was never there": {func(w *world) {
			w.run.Status = api.TrainingRunStatus{}
			w.stream = Stream{Problem: "NATS at nats://nats:4222 cannot be reached"}
		}, "StreamUnavailable: the report stream has not been reached yet: NATS at nats://nats:4222 cannot be reached"},
		"the credential cannot be made": {func(w *world) {
			w.run.Status, w.denied = api.TrainingRunStatus{}, errNoCredential
		}, "NotReady: " + errNoCredential.Error()},
		"the first report, while NATS is away": {away, "AwaitingFirstReport: d18 (AwaitingFirstReport): its pod runs but has not reported yet; NATS at nats://nats:4222 cannot be reached"},
		"the last report, while NATS is away": {func(w *world) {
			away(w)
			w.exit("d18", 0, "Completed", wire.Result{})
		}, "AwaitingReports: d18 (AwaitingReports): its pod ended well; its last report has not been read yet; NATS at nats://nats:4222 cannot be reached"},
		"the stream's end, after a failure": {func(w *world) {
			w.exit("d18", wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: "no labels"})
		}, "AwaitingReports: all trials have ended; the run ends once every report that they sent has been read"},
		"the stream's end, while NATS is away": {func(w *world) {
			away(w)
			w.exit("d18", wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: "no labels"})
		}, "AwaitingReports: all trials have ended; the run ends once every report that they sent has been read; NATS at nats://nats:4222 cannot be reached"},
		"nothing": {func(w *world) {
			w.exit("d18", wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: "no labels"})
			w.reports.Drained = true
		}, "Ended: all trials have ended"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 18)
			w.step("the run is applied")
			w.schedule()
			w.step("its pod runs")
			tc.become(w)
			w.step("something happens")
			c := meta.FindStatusCondition(w.run.Status.Conditions, api.ConditionRunning)
			if got := c.Reason + ": " + c.Message; c.Status != metav1.ConditionFalse || got != tc.want {
				t.Errorf("Running is %s, %s\nwant %s", c.Status, got, tc.want)
			}
		})
	}
}

// Whatever people change in a run that has ended, nothing follows from it but that its status is about the newer spec.
func TestTheEndIsTheEnd(t *testing.T) {
	ends := map[string]func(*world){
		"succeeded": func(w *world) {
			w.finish("d18", 4)
			w.finish("d34", 4)
		},
		"failed": func(w *world) {
			for _, trial := range []string{"d18", "d34"} {
				w.exit(trial, wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: "no labels"})
			}
		},
		"stopped": func(w *world) {
			w.run.Spec.StopTrials = []api.TrialName{"d18", "d34"}
			w.step("both are stopped")
			w.saved()
		},
	}
	changes := map[string]func(*api.TrainingRunSpec){
		"suspend":              func(s *api.TrainingRunSpec) { s.Suspend = ptr.To(true) },
		"stopTrials":           func(s *api.TrainingRunSpec) { s.StopTrials = []api.TrialName{"d34"} },
		"no stopTrials":        func(s *api.TrainingRunSpec) { s.StopTrials = nil },
		"parallelism":          func(s *api.TrainingRunSpec) { s.Parallelism = ptr.To(int32(1)) },
		"a TTL that is not up": func(s *api.TrainingRunSpec) { s.TTLSecondsAfterFinished = ptr.To(int32(3600)) },
	}
	for name, end := range ends {
		w := newWorld(t, 18, 34)
		w.step("the run is applied")
		w.schedule()
		w.report("d18", 1, 0.7)
		w.step("d18 trains")
		end(w)
		w.reports.Drained = true
		w.step("it ends")
		if !Ended(w.run) {
			t.Fatalf("%s: the run has not ended: %+v", name, w.run.Status)
		}
		for what, change := range changes {
			in := w.input()
			in.Run.Generation++
			change(&in.Run.Spec)
			want := w.run.Status.DeepCopy()
			want.ObservedGeneration++
			p := Make(in)
			if diff := cmp.Diff(*want, p.Status); diff != "" || len(p.Actions) > 0 || len(p.Events) > 0 {
				t.Errorf("%s, then %s: actions %+v, events %+v, status:\n%s", name, what, p.Actions, p.Events, diff)
			}
		}
	}
}

// The same of a trial that has ended while its run goes on.
func TestATrialsEndIsItsEnd(t *testing.T) {
	w := newWorld(t, 18, 34, 50)
	w.step("the run is applied")
	w.schedule()
	w.finish("d18", 4)
	w.exit("d34", wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: "no labels"})
	w.report("d50", 1, 0.7)
	w.step("d18 succeeds, d34 fails, d50 trains")
	in := w.input()
	in.Run.Spec.StopTrials, in.Run.Spec.Suspend, in.Run.Spec.Parallelism = []api.TrialName{"d18", "d34"}, ptr.To(true), ptr.To(int32(1))
	p := Make(in)
	if diff := cmp.Diff(w.run.Status.Trials[:2], p.Status.Trials[:2]); diff != "" {
		t.Error(diff)
	}
	if len(p.Actions) != 1 || p.Actions[0].Delete == nil || p.Actions[0].Delete.Name != "erasers-d50-a1" {
		t.Errorf("d50's Job alone is to go: %+v", p.Actions)
	}
}
