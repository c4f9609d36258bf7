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
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Stories of TestStories about the limits of a run, and about changes to a run's spec.

func volumeNotMounted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	p := w.pod("d18")
	p.Status.Phase = corev1.PodPending
	creating := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: podspec.Container, State: creating}}
	w.step("a node starts its pod")
	w.after(attempt.ExplainAfter)
	if names := Unexplained(w.run, w.cluster.Cluster, w.now); !slices.Equal(names, []string{p.Name}) {
		w.t.Errorf("the operator looks for warnings about %v, want about the pod", names)
	}
	w.cluster.Warnings = map[string]string{
		p.Name: `FailedMount: MountVolume.SetUp failed for volume "data": ` +
			"mount failed: connection to nfs.lab refused",
	}
	w.step("the pod still waits, so the operator looks for warnings about it")
	w.cluster.Warnings = nil
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	w.step("the NFS server is there again")
}

func parallelismChanges(w *world) {
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("the run is applied; parallelism is 1")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("d18 trains")
	w.run.Spec.Parallelism = ptr.To(int32(2))
	w.step("parallelism becomes 2: the next trial starts at once")
	w.schedule()
	w.report("d34", 1, 0.6)
	w.step("d34 trains")
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("parallelism becomes 1: no pod is stopped")
	w.finish("d18", 4)
	w.step("d18 finishes: no other trial gets its place")
	w.finish("d34", 4)
	w.step("d34 finishes: now a place is free")
}

func deadlineSuspended(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.ActiveDeadlineSeconds = ptr.To(int64(600))
	w.step("the run is applied; it may be active for ten minutes")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.after(4 * time.Minute)
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends the run after four minutes")
	w.saved()
	w.step("its pod has written a checkpoint and ended")
	w.after(time.Hour)
	w.step("an hour passes")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("the run is resumed")
	w.schedule()
	w.report("d18", 2, 0.8)
	if p := Make(w.input()); p.After != 6*time.Minute {
		w.t.Errorf("the next plan is due after %s, want at the deadline in six minutes", p.After)
	}
	w.after(6*time.Minute - time.Second)
	w.step("one second is left")
	w.after(time.Second)
	w.step("the deadline has passed")
}

func interruptedMoreThanAllowed(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxInterruptions: ptr.To(int32(2)), MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied; two interruptions and no retry are allowed")
	for n := range 3 {
		w.schedule()
		w.began("d18", n)
		w.report("d18", n+1, 0.6)
		w.pod("d18").DeletionTimestamp = decision.Time(w.now)
		w.after(10 * time.Second)
		w.exit("d18", wire.ExitInterrupted, "Error", resultInterrupted)
		w.step("its node is drained")
		w.after(5 * time.Second)
		w.step("time passes")
	}
}

func expires(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.TTLSecondsAfterFinished = ptr.To(int32(3600))
	w.step("the run is applied; it is deleted an hour after its end")
	w.schedule()
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("it ends")
	plansAgainIn := func(want time.Duration) {
		if p := Make(w.input()); p.After != want {
			w.t.Errorf("the next plan is due after %s, want %s", p.After, want)
		}
	}
	w.after(time.Minute)
	plansAgainIn(59 * time.Minute)
	w.publishing = 1
	w.after(59 * time.Minute)
	w.step("the hour has passed, and a version of the run is being published")
	plansAgainIn(expireEvery)
	if w.expired {
		w.t.Error("the run was deleted while a version of it was being published")
	}
	w.publishing = 0
	w.after(expireEvery)
	w.step("publishing has ended")
	if !w.expired {
		w.t.Error("the run was not deleted")
	}
}

// The condition Running says what a run waits for, even if it waits for something other than a trial's pod.
func TestRunningSaysWhatTheRunWaitsFor(t *testing.T) {
	const problem = "NATS at nats://nats:4222 cannot be reached"
	away := func(w *world) { w.stream.Connected, w.stream.Problem = false, problem }
	noLabels := func(w *world) { w.exit("d18", wire.ExitData, "Error", resultNoLabels) }
	for name, tc := range map[string]struct {
		become func(*world)
		want   string
	}{
		"for NATS, which was never reached": {
			become: func(w *world) {
				w.run.Status = api.TrainingRunStatus{}
				w.stream = ledger.Stream{Problem: problem}
			},
			want: "StreamUnavailable: the report stream has not been reached yet: " + problem,
		},
		"for a credential that cannot be created": {
			become: func(w *world) { w.run.Status, w.denied = api.TrainingRunStatus{}, errNoCredential },
			want:   "NotReady: " + errNoCredential.Error(),
		},
		"for the first report, while NATS is away": {
			become: away,
			want: "AwaitingFirstReport: d18 (AwaitingFirstReport): the pod runs but has not reported yet; " +
				problem,
		},
		"for the last report, while NATS is away": {
			become: func(w *world) {
				away(w)
				w.exit("d18", 0, "Completed", wire.Result{})
			},
			want: "AwaitingReports: d18 (AwaitingReports): its pod ended with exit code 0; " +
				"its last report has not been read yet; " + problem,
		},
		"for the stream's end, after a failure": {
			become: noLabels,
			want: "AwaitingReports: all trials have ended; " +
				"the run ends once every report that they sent has been read",
		},
		"for the stream's end, while NATS is away": {
			become: func(w *world) {
				away(w)
				noLabels(w)
			},
			want: "AwaitingReports: all trials have ended; " +
				"the run ends once every report that they sent has been read; " + problem,
		},
		"for nothing": {
			become: func(w *world) {
				noLabels(w)
				w.reports.Drained = true
			},
			want: "Ended: all trials have ended",
		},
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

// A change of the spec of a run that has ended has no effect, except that status.observedGeneration follows the spec.
func TestAnEndedRunDoesNotChange(t *testing.T) {
	ends := map[string]func(*world){
		"succeeded": func(w *world) {
			w.finish("d18", 4)
			w.finish("d34", 4)
		},
		"failed": func(w *world) {
			for _, trial := range []string{"d18", "d34"} {
				w.exit(trial, wire.ExitData, "Error", resultNoLabels)
			}
		},
		"stopped": func(w *world) {
			w.run.Spec.StopTrials = []api.TrialName{"d18", "d34"}
			w.step("both are stopped")
			w.saved()
		},
	}
	changes := map[string]func(*api.TrainingRunSpec){
		"suspend":                   func(s *api.TrainingRunSpec) { s.Suspend = ptr.To(true) },
		"stopTrials":                func(s *api.TrainingRunSpec) { s.StopTrials = []api.TrialName{"d34"} },
		"an empty stopTrials":       func(s *api.TrainingRunSpec) { s.StopTrials = nil },
		"parallelism":               func(s *api.TrainingRunSpec) { s.Parallelism = ptr.To(int32(1)) },
		"a TTL that has not passed": func(s *api.TrainingRunSpec) { s.TTLSecondsAfterFinished = ptr.To(int32(3600)) },
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

// A change of the spec has no effect on a trial that has ended in a run that has not.
func TestAnEndedTrialDoesNotChange(t *testing.T) {
	w := newWorld(t, 18, 34, 50)
	w.step("the run is applied")
	w.schedule()
	w.finish("d18", 4)
	w.exit("d34", wire.ExitData, "Error", resultNoLabels)
	w.report("d50", 1, 0.7)
	w.step("d18 succeeds, d34 fails, d50 trains")
	in := w.input()
	in.Run.Spec.StopTrials = []api.TrialName{"d18", "d34"}
	in.Run.Spec.Suspend = ptr.To(true)
	in.Run.Spec.Parallelism = ptr.To(int32(1))
	p := Make(in)
	if diff := cmp.Diff(w.run.Status.Trials[:2], p.Status.Trials[:2]); diff != "" {
		t.Error(diff)
	}
	if len(p.Actions) != 1 || p.Actions[0].Delete == nil || p.Actions[0].Delete.Name != "erasers-d50-a1" {
		t.Errorf("want the Job of d50 deleted and no other action: %+v", p.Actions)
	}
}
