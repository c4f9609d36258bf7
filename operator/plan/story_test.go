package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/clustertest"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Each story is a file under testdata that reads as prose: what happened, and what the operator made of it.
func TestStories(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"a sweep of three depths on two places":                   sweep,
		"a pod waits for a node and for its image":                waits,
		"bad data fails every trial once":                         badData,
		"a trial crashes, is tried again and is given up":         crashes,
		"a failed trial's checkpoint still competes":              competes,
		"a Job is deleted while its pod lingers":                  deleted,
		"settings that cannot be obeyed are not admitted":         refused,
		"NATS is away, then the stream is replaced":               replaced,
		"a pod ends well but its last report is not there":        reportsLost,
		"a pod is preempted and goes on from its checkpoint":      preempted,
		"a run is suspended and goes on":                          suspendedRun,
		"a trial is stopped by hand":                              stoppedByHand,
		"a run reaches its deadline":                              deadline,
		"more trials fail than may":                               tooManyFail,
		"a node is lost with its pod":                             nodeLost,
		"Kueue takes a place back":                                kueuePreempts,
		"a trial far behind the others is stopped":                cohortStops,
		"a dry run says what stopping would have cost":            cohortDryRun,
		"a trial had told that it was done when its pod was lost": doneThoughLost,
		"an operator that restarts leaves what it does not know":  restarted,
		"a node turns every pod away for a while":                 turnedAway,
		"a trial crashes after it has told that it is done":       crashesWhenDone,
		"more trials fail than the run can do without":            cannotSucceed,
		"a pod that saves itself keeps its place":                 keepsItsPlace,
		"the API server will never take a Job":                    invalidJob,
		"a volume cannot be mounted":                              volumeNotMounted,
		"more trials may train at once, then fewer":               parallelismChanges,
		"a deadline does not count suspended time":                deadlineSuspended,
		"a trial is interrupted more often than it may be":        interruptedTooOften,
		"an ended run waits for a promotion before it goes":       expires,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 18, 34, 50)
			tell(w)
			clustertest.Golden(t, name, w.story.String())
		})
	}
}

func sweep(w *world) {
	w.run.Spec.Parallelism = ptr.To(int32(2))
	w.step("the run is applied")
	w.after(2 * time.Second)
	w.schedule()
	w.step("two pods start")
	w.after(time.Minute)
	w.report("d18", 1, 0.61)
	w.report("d34", 1, 0.58)
	w.step("both report their first epoch")
	w.after(time.Minute)
	for e, v := range []float64{0.65, 0.71, 0.70} {
		w.report("d18", e+2, v)
	}
	w.step("d18 trains on")
	w.after(time.Second)
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.step("d18's pod ends well; its last report is still under way")
	w.finished("d18")
	w.step("the report arrives; a place is free")
	w.after(time.Second)
	w.schedule()
	for e, v := range []float64{0.68, 0.69, 0.70} {
		w.report("d34", e+2, v)
	}
	w.finished("d34")
	w.exit("d34", 0, "Completed", wire.Result{Reason: "Finished"})
	w.step("d34 ends")
	w.after(time.Minute)
	for e, v := range []float64{0.55, 0.66, 0.72, 0.74} {
		w.report("d50", e+1, v)
	}
	w.finished("d50")
	w.exit("d50", 0, "Completed", wire.Result{Reason: "Finished"})
	w.step("d50 ends; the stream may hold more")
	w.after(2 * time.Second)
	w.reports.Drained = true
	w.step("the stream has been read to its end")
}

func waits(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	p := w.pod("d18")
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses = nil
	p.Spec.NodeName = ""
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}}
	w.after(time.Second)
	w.step("no node has a GPU")
	p.Status.Conditions = nil
	p.Spec.NodeName = "node-1"
	waiting := func(reason, message string) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: podspec.Container, Image: "trainer:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
	waiting("ErrImagePull", "manifest unknown")
	w.step("the image does not exist")
	waiting("ImagePullBackOff", "Back-off pulling image")
	w.step("the kubelet waits before it tries again: the same problem")
	waiting("CreateContainerConfigError", `secret "s3" not found`)
	w.step("a secret is missing")
}

func badData(w *world) {
	w.step("the run is applied")
	w.schedule()
	for _, trial := range []string{"d34", "d18", "d50"} {
		w.after(time.Second)
		w.exit(trial, wire.ExitData, "Error", wire.Result{Reason: "BadData", Message: `label "bad" is neither normal nor defect`, Where: "labels.csv:17"})
		w.step(trial + " reads the data set")
	}
	w.reports.Drained = true
	w.after(2 * time.Second)
	w.step("the stream has been read to its end")
}

func crashes(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	for _, end := range []struct {
		code   int32
		reason string
		result wire.Result
	}{
		{137, "OOMKilled", wire.Result{}},
		{139, "Error", wire.Result{}},
		{wire.ExitStore, "Error", wire.Result{Reason: "StoreUnavailable", Message: "write file:///checkpoints: no space left on device"}},
		{wire.ExitInternal, "Error", wire.Result{Reason: "Internal", Message: "panic: index out of range"}},
	} {
		w.schedule()
		w.after(time.Second)
		w.exit("d18", end.code, end.reason, end.result)
		w.step("the pod ends")
		w.after(20 * time.Second)
		w.step("time passes")
	}
	w.reports.Drained = true
	w.step("the stream has been read to its end")
}

func competes(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.step("the run is applied")
	w.schedule()
	w.report("d34", 1, 0.9)
	w.report("d18", 1, 0.7)
	w.step("both report")
	w.exit("d34", wire.ExitDiverged, "Error", wire.Result{Reason: "Diverged", Message: "the loss was not finite for 50 steps"})
	w.step("d34 diverges after its first checkpoint")
	w.report("d18", 4, 0.8)
	w.finished("d18")
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.reports.Drained = true
	w.step("d18 finishes")
}

func deleted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.step("its pod runs")
	w.remove("erasers-d18-a1", true)
	w.pods()[0].DeletionTimestamp = &metav1.Time{Time: w.now}
	w.step("somebody deletes the Job; the pod is still writing a checkpoint")
	w.after(5 * time.Second)
	w.step("the pod lingers")
	w.cluster.Pods = nil
	w.after(5 * time.Second)
	w.step("the pod is gone")
}

func refused(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.Hyperparameters.WarmupEpochs = ptr.To(int32(9))
	w.step("a warm-up that is longer than the training")
	w.run.Spec.Hyperparameters.WarmupEpochs = nil
	w.run.Status = api.TrainingRunStatus{} // another run, with good settings
	w.denied = errNoCredential
	w.step("the credential cannot be made")
	w.denied = nil
	w.stream = Stream{Problem: "nats://nats:4222 cannot be reached"}
	w.step("NATS was never there")
	w.stream = Stream{Connected: true, Current: true, ID: "2026-01-01T00:00:00Z", Next: 1}
	w.step("NATS comes")
}

func replaced(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.report("d18", 2, 0.8)
	w.step("two epochs are reported")
	w.stream.Connected, w.stream.Problem = false, "nats://nats:4222 cannot be reached"
	w.step("NATS goes away")
	w.stream.Connected, w.stream.Problem, w.stream.ID = true, "", "2026-01-02T10:00:00Z"
	w.reports = Reports{Trials: map[string]TrialReports{}}
	w.report("d18", 3, 0.75)
	w.step("it comes back empty, and only epoch 3 is in the new stream")
	w.report("d18", 4, 0.81)
	w.finished("d18")
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.reports.Drained = true
	w.step("the trial finishes")
}

func reportsLost(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 4, 0.8)
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.step("the pod ends well")
	w.reports.Drained = true
	w.step("the stream's end has been read, and the report is not there")
	if class := w.run.Status.Trials[0].Attempts[0].Class; class != string(wire.ClassReports) {
		w.t.Errorf("the attempt is recorded as %s", class)
	}
	w.after(5 * time.Second)
	w.reports.Drained = false
	w.step("time passes")
	w.schedule()
	w.finished("d18")
	w.exit("d18", 0, "Completed", wire.Result{Reason: "Finished"})
	w.reports.Drained = true
	w.step("the next attempt finds its checkpoints and issues what was missing")
}

func preempted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 2, 0.7)
	w.step("two epochs are done")
	p := w.pod("d18")
	p.DeletionTimestamp = &metav1.Time{Time: w.now}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "PreemptionByScheduler", Message: "preempted by a pod of higher priority"}}
	w.step("the scheduler wants the node for something else")
	w.exit("d18", wire.ExitInterrupted, "Error", wire.Result{Reason: "Interrupted", Message: "stopped by SIGTERM; a checkpoint of epoch 2 was written", Epoch: 2})
	w.step("the trial writes a checkpoint and ends")
	w.cluster.Pods = nil
	w.after(5 * time.Second)
	w.step("time passes")
}

func restarted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.report("d18", 2, 0.8)
	w.step("two epochs are reported")
	all := w.reports
	w.reports = Reports{Trials: map[string]TrialReports{}, Whole: true}
	w.stream.Current = false
	w.report("d18", 1, 0.7)
	w.step("another operator takes over and has read half of the stream")
	w.reports, w.stream.Current = all, true
	w.report("d18", 3, 0.82)
	w.step("it has read everything")
}

func (w *world) pods() []*corev1.Pod { return w.cluster.Pods }

func suspendedRun(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.Template.Resources.Limits = corev1.ResourceList{api.ResourceGPU: resource.MustParse("1")}
	w.step("the run is applied")
	w.schedule()
	w.began("d18", 0)
	w.report("d18", 1, 0.61)
	w.step("d18 reports")
	w.after(time.Minute)
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends the run")
	w.after(10 * time.Second)
	w.saved()
	w.step("both pods have saved themselves and are gone")
	w.after(time.Hour)
	w.step("an hour passes")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("somebody lets it go on")
	w.schedule()
	w.began("d18", 1)
	w.report("d18", 2, 0.7)
	w.after(time.Minute)
	w.step("d18 has gone on from its checkpoint")
}

func stoppedByHand(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.report("d34", 1, 0.6)
	w.step("both report")
	w.run.Spec.StopTrials = []api.TrialName{"d34"}
	w.step("somebody stops d34")
	w.after(5 * time.Second)
	w.report("d34", 2, 0.85)
	w.saved()
	w.step("it has finished an epoch and saved itself")
	w.run.Spec.StopTrials = nil
	w.step("its name is taken out: it stays stopped")
	w.finish("d18", 4)
	w.reports.Drained = true
	w.step("d18 finishes")
}

func deadline(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.ActiveDeadlineSeconds = ptr.To(int64(600))
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.8)
	w.step("d18 reports")
	w.after(10 * time.Minute)
	w.step("its time is over")
	w.after(10 * time.Second)
	w.saved()
	w.reports.Drained = true
	w.step("the pods are gone")
}

func tooManyFail(w *world) {
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxFailedTrials: ptr.To(int32(0)), MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied: no trial may fail")
	w.schedule()
	w.report("d34", 1, 0.7)
	w.exit("d18", 76, "Error", wire.Result{Reason: "Diverged", Message: "the loss was not finite for 50 steps"})
	w.step("d18 diverges")
	w.after(time.Second)
	w.saved()
	w.reports.Drained = true
	w.step("the other two have saved themselves")
}

func nodeLost(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.began("d18", 0)
	w.report("d18", 1, 0.7)
	w.step("d18 reports")
	w.after(5 * time.Minute)
	w.pod("d18").DeletionTimestamp = decision.Time(w.now.Add(30 * time.Second))
	w.step("its node is silent, and Kubernetes evicts the pod")
	w.after(30*time.Second + 119*time.Second)
	w.step("the node does not say that it has ended")
	w.after(time.Second)
	w.step("it is given up")
	w.after(4 * time.Second)
	w.step("another attempt starts elsewhere")
	w.schedule()
	w.began("d18", 1)
	w.step("it goes on from the checkpoint")
}

func turnedAway(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied; no retry is allowed")
	for range 4 {
		w.schedule()
		p := w.pod("d18")
		w.exit("d18", 1, "Error", wire.Result{})
		p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "UnexpectedAdmissionError", Message: "no devices of nvidia.com/gpu are registered yet"}
		w.step("the node's device plugin is not there yet")
		w.after(20 * time.Second)
		w.step("time passes")
	}
}

func crashesWhenDone(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied; no retry is allowed")
	w.schedule()
	w.report("d18", 4, 0.8)
	w.finished("d18")
	w.exit("d18", 137, "OOMKilled", wire.Result{})
	w.step("it tells that it is done, and is killed while it writes its page")
}

func cannotSucceed(w *world) {
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MinSucceededTrials: ptr.To(int32(3))}
	w.step("the run is applied: all three must succeed")
	w.schedule()
	w.report("d34", 1, 0.7)
	w.exit("d18", 76, "Error", wire.Result{Reason: "Diverged", Message: "the loss was not finite for 50 steps"})
	w.step("d18 diverges: the others would train in vain")
}

func keepsItsPlace(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:2]
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.step("the run is applied: one at a time")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("d18 trains")
	w.run.Spec.Suspend = ptr.To(true)
	w.step("somebody suspends the run")
	w.run.Spec.Suspend = ptr.To(false)
	w.step("and lets it go on before d18 has saved itself: d34 must not take its place")
	w.saved()
	w.after(5 * time.Second)
	w.step("d18 has saved itself")
}

func invalidJob(w *world) {
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.cluster.Invalid = []string{"erasers-d18-a1"}
	w.cluster.Warnings = map[string]string{"erasers-d18-a1": "Job.batch \"erasers-d18-a1\" is invalid: spec.template.spec.containers[0].resources.requests: must be less than or equal to cpu limit of 1"}
	w.step("d18 is given more than its limit: the others are tried")
}

func kueuePreempts(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Labels = map[string]string{podspec.QueueLabel: "lab"}
	w.cluster.SuspendNew = true
	w.step("the run is applied; Kueue holds every Job of the queue")
	w.cluster.Warnings = map[string]string{"erasers-d18-a1": "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor a100, 1 more needed"}
	w.step("Kueue says why")
	w.cluster.Warnings = nil
	w.job("d18").Spec.Suspend = ptr.To(false)
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("Kueue admits it and it trains")
	w.job("d18").Spec.Suspend = ptr.To(true)
	w.pod("d18").DeletionTimestamp = decision.Time(w.now.Add(30 * time.Second))
	w.step("Kueue takes its place for another: the pod saves itself")
	w.saved()
	w.step("the pod is gone")
	w.after(4 * time.Second)
	w.step("the next attempt waits in the queue")
}

func cohort(w *world, dryRun bool) {
	w.run.Spec.EarlyStopping = &api.EarlyStopping{Cohort: &api.CohortStopping{GraceEpochs: 1, DryRun: dryRun}}
	w.step("the run is applied")
	w.schedule()
	for trial, v := range map[string]float64{"d18": 0.70, "d34": 0.72, "d50": 0.3} {
		w.report(trial, 1, v)
	}
	w.step("all report their first epoch, in which nobody is stopped")
	w.report("d50", 2, 0.4)
	w.report("d18", 2, 0.75)
	w.step("two have reached the second epoch: too few to compare")
	w.report("d34", 2, 0.75)
	w.step("all have")
}

func cohortStops(w *world) { cohort(w, false) }

func cohortDryRun(w *world) {
	cohort(w, true)
	w.report("d50", 3, 0.9)
	w.finish("d18", 4)
	w.finish("d34", 4)
	w.finish("d50", 4)
	w.reports.Drained = true
	w.step("it went on, and became the best")
}

func doneThoughLost(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 4, 0.7)
	w.step("d18 trains")
	w.remove("erasers-d18-a1", false)
	w.step("Job and pod are gone")
	w.finished("d18")
	w.reports.Drained = true
	w.step("its last report is read: there is nothing left to try again")
}
