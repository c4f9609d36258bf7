package plan

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
)

// Why an attempt that exists does not report yet: the question that people ask most.
const (
	reasonNoPod       = "NoPodYet"
	reasonQueue       = "WaitsInQueue"
	reasonStarting    = "ContainerStarting"
	reasonImage       = "ImageNotPulled"
	reasonFirstReport = "AwaitingFirstReport"
	reasonReports     = "AwaitingReports" // the same of one that ended well, and of a run whose trials have all ended
)

// patience is how long an attempt waits before the cluster's warnings about it are looked for.
const patience = 5 * time.Second

// Unexplained names the Jobs and pods that have waited for a while without a word in their own status: for a pod to be created (a
// quota, an admission webhook), for a volume to be mounted. What they wait for is told in events alone.
func Unexplained(run *api.TrainingRun, c Cluster, now time.Time) (names []string) {
	for _, t := range run.Status.Trials {
		if t.Phase != api.TrialStarting && t.Phase != api.TrialWaiting || t.Attempt == 0 {
			continue
		}
		a := c.attempt(JobName(run.Name, t.Name, t.Attempt))
		if a.job == nil || now.Sub(a.job.CreationTimestamp.Time) < patience {
			continue
		}
		if reason, _, _ := a.waiting(&t, nil); reason == reasonNoPod || reason == reasonQueue {
			names = append(names, a.job.Name)
		} else if reason == reasonStarting {
			names = append(names, a.pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// waiting says in the cluster's own words what an attempt waits for. Stuck is true where a person may have to do something.
func (a attempt) waiting(was *api.TrialStatus, warnings map[string]string) (reason, message string, stuck bool) {
	if a.pod == nil {
		return a.withoutPod(warnings[a.job.Name])
	}
	if a.pod.DeletionTimestamp != nil {
		return "Stopping", "its pod is being stopped", false
	}
	for _, c := range a.pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason != "" {
			return c.Reason, c.Message, true
		}
	}
	for _, s := range a.pod.Status.ContainerStatuses {
		if s.Name != podspec.Container {
			continue
		}
		switch w := s.State.Waiting; {
		case s.State.Running != nil:
			return reasonFirstReport, "its pod runs and has not reported yet", false
		case w == nil:
		case w.Reason == "ErrImagePull":
			return reasonImage, "image " + s.Image + ": " + w.Message, true
		case w.Reason == "ImagePullBackOff":
			// The two alternate; the first has the cause, and the problem is the same.
			if was.Reason == reasonImage {
				return was.Reason, was.Message, true
			}
			return reasonImage, "image " + s.Image + ": " + w.Message, true
		case w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" || w.Reason == "":
		default:
			return w.Reason, w.Message, true
		}
	}
	if w := warnings[a.pod.Name]; w != "" {
		return reasonStarting, "its pod cannot be started yet: " + w, false
	}
	return reasonStarting, "its pod is being started", false
}

// InQueue says whether Kueue holds a Job.
func InQueue(job *batchv1.Job) bool { return suspended(job) && job.Labels[podspec.QueueLabel] != "" }

func (a attempt) withoutPod(warning string) (reason, message string, stuck bool) {
	queue := a.job.Labels[podspec.QueueLabel]
	switch {
	case InQueue(a.job) && warning != "":
		return reasonQueue, "waits in queue " + queue + ": " + warning, false
	case InQueue(a.job):
		return reasonQueue, "waits in queue " + queue + " until Kueue admits it", false
	case suspended(a.job):
		return reasonQueue, "its Job is suspended, and not by Plumbline: `kubectl describe job " + a.job.Name + "` may say by whom", false
	case warning != "":
		return reasonNoPod, "its Job has no pod yet: " + warning, false
	default:
		return reasonNoPod, "its Job has no pod yet; if this lasts, `kubectl describe job " + a.job.Name + "` says why", false
	}
}
