package attempt

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cluster holds the Jobs of one run or of one model version, and every pod that has the labels of the run or version.
type Cluster struct {
	Jobs []*batchv1.Job
	Pods []*corev1.Pod
	// Warnings holds the cluster's newest warning about a Job or pod that waits, by the object's name. A warning says
	// why a Job has no pod, why a volume is missing or why Kueue does not admit a Job. The controller looks for
	// warnings only about the names that plan.Unexplained returns. It adds the errors with which the API server refused
	// Jobs.
	Warnings map[string]string
	// Invalid names the Jobs that the API server refuses because their fields are wrong, so that creating them again
	// cannot succeed. Warnings says why.
	Invalid []string
}

// Observed holds the Job and the pod of one attempt. A nil Job or Pod does not exist.
type Observed struct {
	Job *batchv1.Job
	Pod *corev1.Pod
}

// Of returns the Job with the given name, and the Job's pod.
func (c Cluster) Of(job string) Observed {
	for _, j := range c.Jobs {
		if j.Name == job {
			return Observed{j, c.PodOf(j)}
		}
	}
	return Observed{}
}

// Has reports whether a Job with the given name was observed.
func (c Cluster) Has(job string) bool { return c.Of(job).Job != nil }

// PodOf returns a Job's pod, or nil. A Job with one completion and no retries should have at most one pod. If a Job has
// several, PodOf returns the newest.
func (c Cluster) PodOf(job *batchv1.Job) (newest *corev1.Pod) {
	for _, p := range c.Pods {
		owned := slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == job.UID })
		if owned && (newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp)) {
			newest = p
		}
	}
	return newest
}

// Remaining returns the kind and name of an object whose labels match: a pod that has not ended, or a Job that could
// still create a pod. It returns "" if there is none. Only then may the next attempt start. A pod that is lost with its
// node does not count, and neither does the Job of such a pod.
func (c Cluster) Remaining(match func(labels map[string]string) bool, loss NodeLoss) string {
	for _, p := range c.Pods {
		if match(p.Labels) && !PodEnded(p) && !loss.Lost(p) {
			return "pod " + p.Name
		}
	}
	for _, j := range c.Jobs {
		if _, ended := JobEnded(j); ended || !match(j.Labels) {
			continue
		}
		if p := c.PodOf(j); p == nil || !loss.Lost(p) {
			return "Job " + j.Name
		}
	}
	return ""
}

// UntilLost returns, for each matching pod that is being stopped, the time until the pod counts as lost. No event marks
// that moment, so a planner must schedule a plan for it.
func (c Cluster) UntilLost(match func(labels map[string]string) bool, loss NodeLoss) (waits []time.Duration) {
	for _, p := range c.Pods {
		if match(p.Labels) && p.DeletionTimestamp != nil && !PodEnded(p) && !loss.Lost(p) {
			waits = append(waits, loss.TimeLeft(p))
		}
	}
	return waits
}

// DefaultNodeLossSeconds is the default of spec.nodeLossSeconds. Publishing Jobs always use it.
const DefaultNodeLossSeconds = 120

// NodeLoss decides whether a pod that is being stopped is lost together with its node. That is so when the node has not
// confirmed in time that the pod ended.
type NodeLoss struct {
	Seconds int32     // how long to wait for the node after the pod's grace period
	Now     time.Time // the time at which the plan is made
}

// TimeLeft returns the time until a pod that is being stopped counts as lost. The deletion timestamp that Kubernetes
// records includes the grace period.
func (l NodeLoss) TimeLeft(pod *corev1.Pod) time.Duration {
	return pod.DeletionTimestamp.Add(time.Duration(l.Seconds) * time.Second).Sub(l.Now)
}

// Lost reports whether a pod is lost with its node.
func (l NodeLoss) Lost(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil && !PodEnded(pod) && l.TimeLeft(pod) <= 0
}

// JobEnded returns the condition that says how a Job ended, and reports whether the Job has ended.
func JobEnded(j *batchv1.Job) (batchv1.JobCondition, bool) {
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return c, true
		}
	}
	return batchv1.JobCondition{}, false
}

// JobSuspended reports whether a Job is suspended. Plumbline never suspends a Job; usually Kueue did.
func JobSuspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// PodEnded reports whether a pod has ended, with success or failure.
func PodEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}
