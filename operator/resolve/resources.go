package resolve

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Resources returns the resources of a depth's pods: those of the depth's override if it has some, or the template's.
func Resources(run *api.TrainingRun, depth api.Depth) corev1.ResourceRequirements {
	if o := overrideOf(run, depth); o.Resources != nil {
		return *o.Resources
	}
	return run.Spec.Template.Resources
}

// requested returns a resource's request. Like Kubernetes it uses the limit if only a limit is set.
func requested(r corev1.ResourceRequirements, name corev1.ResourceName) resource.Quantity {
	if q, ok := r.Requests[name]; ok {
		return q
	}
	return r.Limits[name]
}

// GPUs returns how many GPUs a pod with these resources has. Kubernetes requires that the request and the limit of GPUs
// are equal.
func GPUs(r corev1.ResourceRequirements) int64 {
	q := requested(r, api.ResourceGPU)
	return int64(q.AsApproximateFloat64())
}

// threads returns how many threads TensorFlow may use: the CPU request, rounded up, and at least 1. It does not depend
// on the size of the node, so that a trial that resumes on another node computes the same numbers.
func threads(r corev1.ResourceRequirements) int {
	q := requested(r, corev1.ResourceCPU)
	return max(1, int(q.Value())) // Value rounds up
}
