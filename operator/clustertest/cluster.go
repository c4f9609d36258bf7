// Package clustertest simulates a cluster in memory for the tests of both planners, plan and publishing. Jobs get pods,
// pods end, and objects are deleted, as in Kubernetes. The package also compares a test's story with its golden file.
package clustertest

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

// grace is the termination grace period of every pod.
const grace = 30 * time.Second

// Cluster is what a planner observes, with methods that change it. The zero Cluster is empty.
type Cluster struct {
	attempt.Cluster
	SuspendNew bool // suspend every new Job, as Kueue's webhook does
}

// Create adds a Job without a pod. Schedule gives it one.
func (c *Cluster) Create(job *batchv1.Job, now time.Time) {
	job = job.DeepCopy()
	job.UID, job.CreationTimestamp = types.UID("uid-"+job.Name), metav1.NewTime(now)
	if c.SuspendNew {
		job.Spec.Suspend = ptr.To(true)
	}
	c.Jobs = append(c.Jobs, job)
}

// Schedule gives every Job that has no pod a running one, unless the Job is suspended or has ended.
func (c *Cluster) Schedule(now time.Time) {
	for _, j := range c.Jobs {
		if _, ended := attempt.JobEnded(j); ended || attempt.JobSuspended(j) || c.PodOf(j) != nil {
			continue
		}
		c.Pods = append(c.Pods, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: j.Name + "-x", UID: types.UID("pod-" + j.Name), Labels: j.Spec.Template.Labels,
				OwnerReferences: []metav1.OwnerReference{{UID: j.UID}}, CreationTimestamp: metav1.NewTime(now),
			},
			Spec: corev1.PodSpec{NodeName: "node-1"},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, StartTime: decision.Time(now),
				ContainerStatuses: []corev1.ContainerStatus{{
					Name: podspec.Container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
				}},
			},
		})
	}
}

// Exit ends a pod with an exit code, a reason and a termination message, and calls EndJobs. With the zero result the
// pod has no termination message.
func (c *Cluster) Exit(pod *corev1.Pod, code int32, reason string, result wire.Result, now time.Time) {
	pod.Status.Phase = corev1.PodFailed
	if code == 0 {
		pod.Status.Phase = corev1.PodSucceeded
	}
	message := ""
	if result != (wire.Result{}) {
		message = string(result.Encode())
	}
	end := &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message, FinishedAt: metav1.NewTime(now),
	}
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: end}
	c.EndJobs(now)
}

// EndJobs ends the Job of every pod that has ended.
func (c *Cluster) EndJobs(now time.Time) {
	for _, j := range c.Jobs {
		p := c.PodOf(j)
		if _, ended := attempt.JobEnded(j); ended || p == nil || !attempt.PodEnded(p) {
			continue
		}
		kind := batchv1.JobFailed
		if p.Status.Phase == corev1.PodSucceeded {
			kind = batchv1.JobComplete
		}
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now),
		})
	}
}

// Delete deletes a Job as Kubernetes does: the Job disappears, and its pod gets a deletion timestamp and stays until it
// has ended. Delete reports whether there was such a Job.
func (c *Cluster) Delete(job string, now time.Time) bool {
	pod := c.Of(job).Pod
	if pod != nil && pod.DeletionTimestamp == nil {
		pod.DeletionTimestamp = decision.Time(now.Add(grace))
	}
	return c.Remove(job, true)
}

// Remove removes a Job, and its pods too unless podLingers. It reports whether there was such a Job.
func (c *Cluster) Remove(job string, podLingers bool) bool {
	for i, j := range c.Jobs {
		if j.Name != job {
			continue
		}
		c.Jobs = slices.Delete(slices.Clone(c.Jobs), i, i+1)
		if !podLingers {
			c.Pods = slices.DeleteFunc(slices.Clone(c.Pods), func(p *corev1.Pod) bool {
				return p.OwnerReferences[0].UID == j.UID
			})
		}
		return true
	}
	return false
}
