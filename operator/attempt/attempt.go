package attempt

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JobName returns the name of the Job of a trial's attempt.
func JobName(run, trial string, attempt int32) string {
	return fmt.Sprintf("%s-%s-a%d", run, trial, attempt)
}

// Cluster is what was observed of one run or of one model version: its own Jobs, and every pod with its labels.
type Cluster struct {
	Jobs []*batchv1.Job
	Pods []*corev1.Pod
	// Warnings holds the cluster's newest warning about a Job or pod that waits, by the object's name: why a Job has no
	// pod, why a volume is missing, why Kueue does not admit a Job. The controller looks for warnings only about the
	// names that Unexplained returns, and adds the API server's refusals of Jobs.
	Warnings map[string]string
	// Invalid names the Jobs that the API server refuses because their fields are wrong, whenever they are created.
	// Warnings says why.
	Invalid []string
}

// Observed is what the cluster shows of one attempt. Job and Pod are nil where there is none.
type Observed struct {
	Job *batchv1.Job
	Pod *corev1.Pod
}

// Of returns the Job of that name and its pod.
func (c Cluster) Of(job string) Observed {
	for _, j := range c.Jobs {
		if j.Name == job {
			return Observed{j, c.PodOf(j)}
		}
	}
	return Observed{}
}

// Has reports whether a Job of that name was observed.
func (c Cluster) Has(job string) bool { return c.Of(job).Job != nil }

// PodOf returns a Job's pod, or nil. A Job of one completion and no retries should not have more than one; of several
// PodOf returns the newest.
func (c Cluster) PodOf(job *batchv1.Job) (newest *corev1.Pod) {
	for _, p := range c.Pods {
		owned := slices.ContainsFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == job.UID })
		if owned && (newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp)) {
			newest = p
		}
	}
	return newest
}

// Remaining names a pod that has not ended, or a Job that could still make one, among those whose labels match; empty:
// none. No further attempt starts while something remains. A pod that is lost with its node does not count.
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

// UntilLost returns, for each matching pod that is being stopped, the time until it counts as lost. No event marks that
// moment, so a planner has to plan again then.
func (c Cluster) UntilLost(match func(labels map[string]string) bool, loss NodeLoss) (left []time.Duration) {
	for _, p := range c.Pods {
		if match(p.Labels) && p.DeletionTimestamp != nil && !PodEnded(p) && !loss.Lost(p) {
			left = append(left, loss.Left(p))
		}
	}
	return left
}

// DefaultNodeLossSeconds is spec.nodeLossSeconds of a run that does not set it, and holds for publishing.
const DefaultNodeLossSeconds = 120

// NodeLoss decides whether a pod that is being stopped is lost together with its node, because the node has not said in
// time that the pod ended.
type NodeLoss struct {
	Seconds int32 // to wait after the pod's grace period
	Now     time.Time
}

// Left returns the time until a pod that is being stopped counts as lost. The deletion timestamp that Kubernetes
// records includes the grace period.
func (l NodeLoss) Left(pod *corev1.Pod) time.Duration {
	return pod.DeletionTimestamp.Add(time.Duration(l.Seconds) * time.Second).Sub(l.Now)
}

// Lost reports whether a pod is lost with its node.
func (l NodeLoss) Lost(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil && !PodEnded(pod) && l.Left(pod) <= 0
}

// JobEnded returns the condition by which a Job has ended, and whether it has.
func JobEnded(j *batchv1.Job) (batchv1.JobCondition, bool) {
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return c, true
		}
	}
	return batchv1.JobCondition{}, false
}

// JobSuspended reports whether a Job is suspended. Plumbline never suspends a Job: mostly it is Kueue.
func JobSuspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// PodEnded reports whether a pod has ended, well or not.
func PodEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}
