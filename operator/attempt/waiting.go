package attempt

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
)

// Reasons why an attempt that exists does not report yet. People ask this question most.
const (
	ReasonNoPod       = "NoPodYet"
	ReasonQueue       = "WaitsInQueue"
	ReasonStarting    = "ContainerStarting"
	ReasonImage       = "ImageNotPulled"
	ReasonFirstReport = "AwaitingFirstReport"
)

// ExplainAfter is how long an attempt waits before the controller looks for the cluster's warnings about it.
const ExplainAfter = 5 * time.Second

// Wait says in the cluster's own words what an attempt waits for.
type Wait struct {
	Reason  string
	Message string
	Stuck   bool // a person may have to do something
}

// InEvents reports whether only Kubernetes events may say why the attempt waits: nothing in the status of its Job or
// pod does.
func (w Wait) InEvents() bool {
	return w.Reason == ReasonNoPod || w.Reason == ReasonQueue || w.Reason == ReasonStarting
}

// Unexplained returns the names of Jobs and pods that have waited for ExplainAfter and whose own status does not say
// why: a pod is not created (a quota, an admission webhook), or a volume is not mounted. The causes are in events
// alone. Names are sorted.
func Unexplained(run *api.TrainingRun, c Cluster, now time.Time) (names []string) {
	for _, t := range run.Status.Trials {
		if t.Phase != api.TrialStarting && t.Phase != api.TrialWaiting || t.Attempt == 0 {
			continue
		}
		a := c.Of(JobName(run.Name, t.Name, t.Attempt))
		if a.Job == nil || now.Sub(a.Job.CreationTimestamp.Time) < ExplainAfter {
			continue
		}
		switch w := a.Wait(Wait{Reason: t.Reason, Message: t.Message}, nil); {
		case w.Reason == ReasonStarting:
			names = append(names, a.Pod.Name)
		case w.InEvents():
			names = append(names, a.Job.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Wait says what the attempt, which has a Job and has not ended, waits for. was is what it waited for when it was last
// looked at; warnings are Cluster.Warnings.
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
			return Wait{Reason: ReasonFirstReport, Message: "its pod runs and has not reported yet"}
		case w == nil:
		case w.Reason == "ErrImagePull":
			return Wait{ReasonImage, "image " + s.Image + ": " + w.Message, true}
		case w.Reason == "ImagePullBackOff":
			// ErrImagePull and ImagePullBackOff alternate. Only the message of the first names the cause.
			if was.Reason == ReasonImage {
				return Wait{was.Reason, was.Message, true}
			}
			return Wait{ReasonImage, "image " + s.Image + ": " + w.Message, true}
		case w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" || w.Reason == "":
		default:
			return Wait{w.Reason, w.Message, true}
		}
	}
	if w := warnings[a.Pod.Name]; w != "" {
		return Wait{Reason: ReasonStarting, Message: "its pod cannot be started yet: " + w}
	}
	return Wait{Reason: ReasonStarting, Message: "its pod is being started"}
}

// InQueue reports whether Kueue holds a Job.
func InQueue(job *batchv1.Job) bool { return JobSuspended(job) && job.Labels[podspec.QueueLabel] != "" }

func withoutPod(job *batchv1.Job, warning string) Wait {
	queue := job.Labels[podspec.QueueLabel]
	describe := "`kubectl describe job " + job.Name + "`"
	switch {
	case InQueue(job) && warning != "":
		return Wait{Reason: ReasonQueue, Message: "waits in queue " + queue + ": " + warning}
	case InQueue(job):
		return Wait{Reason: ReasonQueue, Message: "waits in queue " + queue + " until Kueue admits it"}
	case JobSuspended(job):
		return Wait{
			Reason:  ReasonQueue,
			Message: "its Job is suspended, and not by Plumbline: " + describe + " may say by whom",
		}
	case warning != "":
		return Wait{Reason: ReasonNoPod, Message: "its Job has no pod yet: " + warning}
	default:
		return Wait{Reason: ReasonNoPod, Message: "its Job has no pod yet; if this lasts, " + describe + " says why"}
	}
}
