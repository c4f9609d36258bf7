package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/clustertest"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Each story is a file under testdata. It says what happens to a run, what the operator does, and what status then
// shows.
func TestStories(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"a sweep of three depths on two places":                          sweep,
		"a pod waits for a node and for its image":                       waits,
		"bad data fails every trial without a retry":                     badData,
		"a trial crashes, is retried and fails":                          crashes,
		"a failed trial's checkpoint still competes":                     competes,
		"a Job is deleted before its pod has ended":                      deleted,
		"a run that cannot be admitted":                                  refused,
		"NATS is away, then the stream is replaced":                      replaced,
		"a pod ends with success but its last report is missing":         reportsLost,
		"a pod is preempted and its trial resumes from the checkpoint":   preempted,
		"a run is suspended and resumed":                                 suspendedRun,
		"a user stops a trial":                                           stoppedByHand,
		"a run reaches its deadline":                                     deadline,
		"more trials fail than are allowed":                              tooManyFail,
		"a node is lost with its pod":                                    nodeLost,
		"Kueue preempts a trial":                                         kueuePreempts,
		"a trial far behind the others is stopped":                       cohortStops,
		"a dry run says what stopping would have cost":                   cohortDryRun,
		"a pod is lost after its trial has reported its end":             doneThoughLost,
		"a restarted operator keeps status until it has read the stream": restarted,
		"a node rejects every pod for a while":                           turnedAway,
		"a pod crashes after its trial has reported its end":             crashesWhenDone,
		"too few trials can still succeed":                               cannotSucceed,
		"a pod that is being stopped keeps its place":                    keepsItsPlace,
		"the API server refuses a Job as invalid":                        invalidJob,
		"a volume cannot be mounted":                                     volumeNotMounted,
		"parallelism is raised and lowered":                              parallelismChanges,
		"a deadline does not count suspended time":                       deadlineSuspended,
		"a trial is interrupted more often than is allowed":              interruptedMoreThanAllowed,
		"an ended run is deleted after publishing has ended":             expires,
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
	w.step("d18 trains three more epochs")
	w.after(time.Second)
	w.exit("d18", 0, "Completed", resultFinished)
	w.step("d18's pod ends with exit code 0; its last report has not arrived yet")
	w.finished("d18")
	w.step("the report arrives, and a place is free")
	w.after(time.Second)
	w.schedule()
	for e, v := range []float64{0.68, 0.69, 0.70} {
		w.report("d34", e+2, v)
	}
	w.finished("d34")
	w.exit("d34", 0, "Completed", resultFinished)
	w.step("d34 ends")
	w.after(time.Minute)
	for e, v := range []float64{0.55, 0.66, 0.72, 0.74} {
		w.report("d50", e+1, v)
	}
	w.finished("d50")
	w.exit("d50", 0, "Completed", resultFinished)
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
	p.Status.Conditions = []corev1.PodCondition{{
		Type:    corev1.PodScheduled,
		Status:  corev1.ConditionFalse,
		Reason:  "Unschedulable",
		Message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
	}}
	w.after(time.Second)
	w.step("no node has a GPU")
	p.Status.Conditions = nil
	p.Spec.NodeName = "node-1"
	waiting := func(reason, message string) {
		state := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: podspec.Container, Image: "trainer:1", State: state,
		}}
	}
	waiting("ErrImagePull", "manifest unknown")
	w.step("the image does not exist")
	waiting("ImagePullBackOff", "Back-off pulling image")
	w.step("the kubelet waits before it tries again; the problem is the same")
	waiting("CreateContainerConfigError", `secret "s3" not found`)
	w.step("a secret is missing")
}

func badData(w *world) {
	w.step("the run is applied")
	w.schedule()
	for _, trial := range []string{"d34", "d18", "d50"} {
		w.after(time.Second)
		w.exit(trial, wire.ExitData, "Error", wire.Result{
			Reason:  "BadData",
			Message: `label "bad" is neither normal nor defect`,
			Where:   "labels.csv:17",
		})
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
		{wire.ExitStore, "Error", wire.Result{
			Reason:  "StoreUnavailable",
			Message: "write file:///checkpoints: no space left on device",
		}},
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
	w.exit("d34", wire.ExitDiverged, "Error", resultDiverged)
	w.step("d34 diverges after its first checkpoint")
	w.report("d18", 4, 0.8)
	w.finished("d18")
	w.exit("d18", 0, "Completed", resultFinished)
	w.reports.Drained = true
	w.step("d18 finishes")
}

func refused(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.Hyperparameters.WarmupEpochs = ptr.To(int32(9))
	w.step("a warm-up that is longer than the training")
	w.run.Spec.Hyperparameters.WarmupEpochs = nil
	w.run.Status = api.TrainingRunStatus{} // another run, with valid settings
	w.denied = errNoCredential
	w.step("the credential cannot be created")
	w.denied = nil
	w.stream = ledger.Stream{Problem: "nats://nats:4222 cannot be reached"}
	w.step("NATS has never been reached")
	w.stream = ledger.Stream{Connected: true, Current: true, ID: "2026-01-01T00:00:00Z", Next: 1}
	w.step("NATS is reached")
}

func invalidJob(w *world) {
	w.run.Spec.Parallelism = ptr.To(int32(1))
	w.cluster.Invalid = []string{"erasers-d18-a1"}
	w.cluster.Warnings = map[string]string{
		"erasers-d18-a1": `Job.batch "erasers-d18-a1" is invalid: ` +
			"spec.template.spec.containers[0].resources.requests: must be less than or equal to cpu limit of 1",
	}
	w.step("d18 requests more CPU than its limit: the other trials are tried")
}
