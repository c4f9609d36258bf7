package podspec

import (
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// ManagedBy is a label of every object that Plumbline creates. Its value is Manager on the Jobs and pods that the
// operator creates and watches.
const (
	ManagedBy = "app.kubernetes.io/managed-by"
	Manager   = "plumbline-operator"
)

// Labels that Kueue acts on. The operator copies them from a run to the run's Jobs.
const (
	QueueLabel    = "kueue.x-k8s.io/queue-name"
	PriorityLabel = "kueue.x-k8s.io/priority-class"
)

// Job returns a Job that runs a pod once: the operator alone retries, and the Job has no deadline. The Job and its pod
// have the given labels and ManagedBy. These override labels of the same name in the pod.
func Job(
	namespace, name string, owner metav1.OwnerReference, labels map[string]string, pod corev1.PodTemplateSpec,
) *batchv1.Job {
	labels = with(labels, map[string]string{ManagedBy: Manager})
	pod.Labels = with(pod.Labels, labels)
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: labels, OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: batchv1.JobSpec{
			Completions:  ptr.To(int32(1)),
			Parallelism:  ptr.To(int32(1)),
			BackoffLimit: ptr.To(int32(0)),
			// A pod that is being stopped still writes a checkpoint: Kubernetes must not replace it before it has
			// ended.
			PodReplacementPolicy: ptr.To(batchv1.Failed),
			Template:             pod,
		},
	}
}

// with returns a new map of labels and more. A value in more replaces a value in labels.
func with(labels, more map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	maps.Copy(out, more)
	return out
}
