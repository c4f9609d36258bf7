package plan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// Stories of TestStories about what the cluster or the stream loses: pods, nodes, Jobs and reports.

func deleted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.step("its pod runs")
	w.remove("erasers-d18-a1", true)
	w.cluster.Pods[0].DeletionTimestamp = &metav1.Time{Time: w.now}
	w.step("somebody deletes the Job; its pod is still writing a checkpoint")
	w.after(5 * time.Second)
	w.step("the pod has not ended yet")
	w.cluster.Pods = nil
	w.after(5 * time.Second)
	w.step("the pod is gone")
}

func preempted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 2, 0.7)
	w.step("two epochs are done")
	p := w.pod("d18")
	p.DeletionTimestamp = &metav1.Time{Time: w.now}
	p.Status.Conditions = []corev1.PodCondition{{
		Type:    corev1.DisruptionTarget,
		Status:  corev1.ConditionTrue,
		Reason:  "PreemptionByScheduler",
		Message: "preempted by a pod of higher priority",
	}}
	w.step("the scheduler preempts the pod for another pod")
	w.exit("d18", wire.ExitInterrupted, "Error", wire.Result{
		Reason:  "Interrupted",
		Message: "stopped by SIGTERM; a checkpoint of epoch 2 was written",
		Epoch:   2,
	})
	w.step("the trial writes a checkpoint and ends")
	w.cluster.Pods = nil
	w.after(5 * time.Second)
	w.step("time passes")
}

func kueuePreempts(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Labels = map[string]string{podspec.QueueLabel: "lab"}
	w.cluster.SuspendNew = true
	w.step("the run is applied; Kueue holds every Job of the queue")
	w.cluster.Warnings = map[string]string{
		"erasers-d18-a1": "couldn't assign flavors to pod set main: " +
			"insufficient unused quota for nvidia.com/gpu in flavor a100, 1 more needed",
	}
	w.step("Kueue says why")
	w.cluster.Warnings = nil
	w.job("d18").Spec.Suspend = ptr.To(false)
	w.schedule()
	w.report("d18", 1, 0.7)
	w.step("Kueue admits it and it trains")
	w.job("d18").Spec.Suspend = ptr.To(true)
	w.pod("d18").DeletionTimestamp = decision.Time(w.now.Add(30 * time.Second))
	w.step("Kueue preempts the Job: the pod writes a checkpoint")
	w.saved()
	w.step("the pod is gone")
	w.after(4 * time.Second)
	w.step("the next attempt waits in the queue")
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
	w.step("its node does not respond, and Kubernetes evicts the pod")
	w.after(30*time.Second + 119*time.Second)
	w.step("the node does not confirm that the pod has ended")
	w.after(time.Second)
	w.step("the node is considered lost")
	w.after(4 * time.Second)
	w.step("another attempt starts")
	w.schedule()
	w.began("d18", 1)
	w.step("the attempt resumes from the checkpoint")
}

func turnedAway(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied; no retry is allowed")
	for range 4 {
		w.schedule()
		p := w.pod("d18")
		w.exit("d18", 1, "Error", wire.Result{})
		p.Status = corev1.PodStatus{
			Phase:   corev1.PodFailed,
			Reason:  "UnexpectedAdmissionError",
			Message: "no devices of nvidia.com/gpu are registered yet",
		}
		w.step("the node's device plugin has not started yet")
		w.after(20 * time.Second)
		w.step("time passes")
	}
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
	w.step("its last report is read: no other attempt is needed")
}

func crashesWhenDone(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(0))}
	w.step("the run is applied; no retry is allowed")
	w.schedule()
	w.report("d18", 4, 0.8)
	w.finished("d18")
	w.exit("d18", 137, "OOMKilled", wire.Result{})
	w.step("the pod reports that the training is finished, and is killed while it writes its page")
}

func replaced(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.report("d18", 2, 0.8)
	w.step("two epochs are reported")
	w.stream.Connected, w.stream.Problem = false, "nats://nats:4222 cannot be reached"
	w.step("NATS cannot be reached any more")
	w.stream.Connected, w.stream.Problem, w.stream.ID = true, "", "2026-01-02T10:00:00Z"
	w.reports = ledger.Reports{Trials: map[string]ledger.TrialReports{}}
	w.report("d18", 3, 0.75)
	w.step("NATS comes back with a new stream, which holds only epoch 3")
	w.report("d18", 4, 0.81)
	w.finished("d18")
	w.exit("d18", 0, "Completed", resultFinished)
	w.reports.Drained = true
	w.step("the trial finishes")
}

func reportsLost(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 4, 0.8)
	w.exit("d18", 0, "Completed", resultFinished)
	w.step("the pod ends with exit code 0")
	w.reports.Drained = true
	w.step("the stream has been read to its end, and the last report is not in it")
	if class := w.run.Status.Trials[0].Attempts[0].Class; class != string(wire.ClassReports) {
		w.t.Errorf("the attempt is recorded as %s", class)
	}
	w.after(5 * time.Second)
	w.reports.Drained = false
	w.step("time passes")
	w.schedule()
	w.finished("d18")
	w.exit("d18", 0, "Completed", resultFinished)
	w.reports.Drained = true
	w.step("the next attempt finds the checkpoints and sends the missing reports")
}

func restarted(w *world) {
	w.run.Spec.Depths = w.run.Spec.Depths[:1]
	w.step("the run is applied")
	w.schedule()
	w.report("d18", 1, 0.7)
	w.report("d18", 2, 0.8)
	w.step("two epochs are reported")
	all := w.reports
	w.reports = ledger.Reports{Trials: map[string]ledger.TrialReports{}, Whole: true}
	w.stream.Current = false
	w.report("d18", 1, 0.7)
	w.step("another operator takes over and has read half of the stream")
	w.reports, w.stream.Current = all, true
	w.report("d18", 3, 0.82)
	w.step("that operator has read everything")
}
