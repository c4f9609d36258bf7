package attempt

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plumbline.dev/plumbline/podspec"
)

// Reasons why an attempt has a Job and does not report yet. Users ask this more often than anything else.
const (
	reasonNoPod       = "NoPodYet"
	reasonQueue       = "WaitsInQueue"
	reasonStarting    = "ContainerStarting"
	ReasonImage       = "ImageNotPulled"
	ReasonFirstReport = "AwaitingFirstReport"
)

// ExplainAfter is how long an attempt waits before the controller looks for warnings of the cluster about it.
const ExplainAfter = 5 * time.Second

// Wait says what an attempt waits for, quoting Kubernetes or Kueue where they give a reason.
type Wait struct {
	Reason  string
	Message string
	Stuck   bool // somebody may have to act before the attempt can continue
}

// InEvents reports whether only Kubernetes events can say why the attempt waits, because the status of its Job and pod
// does not.
func (w Wait) InEvents() bool {
	return w.Reason == reasonNoPod || w.Reason == reasonQueue || w.Reason == reasonStarting
}

// Wait returns what the attempt waits for. The attempt has a Job and has not ended. was is what the attempt waited for
// at the last plan; warnings are Cluster.Warnings.
func (a Observed) Wait(was Wait, warnings map[string]string) Wait {
	if a.Pod == nil {
		return withoutPod(a.Job, warnings[a.Job.Name])
	}
	if a.Pod.DeletionTimestamp != nil {
		return Wait{Reason: "Stopping", Message: "its pod is being stopped"}
	}
	for _, c := range a.Pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason != "" {
			return Wait{c.Reason, c.Message, true}
		}
	}
	for _, s := range a.Pod.Status.ContainerStatuses {
		if s.Name != podspec.Container {
			continue
		}
		switch w := s.State.Waiting; {
		case s.State.Running != nil:
			return Wait{Reason: ReasonFirstReport, Message: "the pod runs but has not reported yet"}
		case w == nil:
		case w.Reason == "ImagePullBackOff" && was.Reason == ReasonImage:
			// ErrImagePull and ImagePullBackOff alternate. Only the message of ErrImagePull names the cause.
			return Wait{was.Reason, was.Message, true}
		case w.Reason == "ErrImagePull", w.Reason == "ImagePullBackOff":
			return Wait{ReasonImage, fmt.Sprintf("image %s cannot be pulled: %s", s.Image, w.Message), true}
		case w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" || w.Reason == "":
		default:
			return Wait{w.Reason, w.Message, true}
		}
	}
	if w := warnings[a.Pod.Name]; w != "" {
		return Wait{Reason: reasonStarting, Message: "its pod cannot be started yet: " + w}
	}
	return Wait{Reason: reasonStarting, Message: "its pod is being started"}
}

// InQueue reports whether a Job waits until Kueue admits it.
func InQueue(job *batchv1.Job) bool { return JobSuspended(job) && job.Labels[podspec.QueueLabel] != "" }

// withoutPod returns what an attempt waits for while its Job has no pod.
func withoutPod(job *batchv1.Job, warning string) Wait {
	queue := job.Labels[podspec.QueueLabel]
	describe := "`kubectl describe job " + job.Name + "`"
	switch {
	case InQueue(job) && warning != "":
		return Wait{Reason: reasonQueue, Message: "waits in queue " + queue + ": " + warning}
	case InQueue(job):
		return Wait{Reason: reasonQueue, Message: "waits in queue " + queue + " until Kueue admits it"}
	case JobSuspended(job):
		return Wait{
			Reason:  reasonQueue,
			Message: "its Job is suspended, and Plumbline did not suspend it: " + describe + " may say who did",
		}
	case warning != "":
		return Wait{Reason: reasonNoPod, Message: "its Job has no pod yet: " + warning}
	default:
		return Wait{Reason: reasonNoPod, Message: "its Job has no pod yet; if this lasts, " + describe + " says why"}
	}
}
