package plan

import (
	corev1 "k8s.io/api/core/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Why an attempt that exists does not report yet: the question that people ask most.
const (
	reasonNoPod       = "NoPodYet"
	reasonStarting    = "ContainerStarting"
	reasonImage       = "ImageNotPulled"
	reasonFirstReport = "AwaitingFirstReport"
)

// waiting says in the cluster's own words what an attempt waits for. Stuck is true where a person may have to do something.
func (a attempt) waiting(was *api.TrialStatus) (reason, message string, stuck bool) {
	if a.pod == nil {
		return reasonNoPod, "its Job has no pod yet; if this lasts, `kubectl describe job " + a.job.Name + "` says why", false
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
		if s.Name != container {
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
	return reasonStarting, "its pod is being started", false
}
