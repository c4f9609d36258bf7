package podspec

import (
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// ManagedBy is a label of every object that Plumbline makes. Its value is Manager on the Jobs and pods that the
// operator makes and watches.
const (
	ManagedBy = "app.kubernetes.io/managed-by"
	Manager   = "plumbline-operator"
)

// Labels that Kueue acts on. A run's Jobs have the same values as the run.
const (
	QueueLabel    = "kueue.x-k8s.io/queue-name"
	PriorityLabel = "kueue.x-k8s.io/priority-class"
)

// Job wraps a pod in a Job that runs the pod once: only the operator retries, and only the operator ends anything. The
// Job and its pod have the given labels and ManagedBy; these override labels of the same name in the pod.
func Job(namespace, name string, owner metav1.OwnerReference, labels map[string]string, pod corev1.PodTemplateSpec) *batchv1.Job {
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
			// A pod that is being stopped still writes: nothing replaces it before it has failed.
			PodReplacementPolicy: ptr.To(batchv1.Failed),
			Template:             pod,
		},
	}
}

// with returns a copy of labels with more added.
func with(labels, more map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, labels)
	maps.Copy(out, more)
	return out
}
