package resolve

import (
	corev1 "k8s.io/api/core/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// Resources returns what the pods of a depth request: the override of the depth, or the template.
func Resources(run *api.TrainingRun, depth api.Depth) corev1.ResourceRequirements {
	if o := overrideOf(run, depth); o.Resources != nil {
		return *o.Resources
	}
	return run.Spec.Template.Resources
}

// asked returns a resource's request. Kubernetes uses the limit where only a limit is given.
func asked(r corev1.ResourceRequirements, name corev1.ResourceName) (value float64) {
	q, ok := r.Requests[name]
	if !ok {
		q = r.Limits[name]
	}
	return q.AsApproximateFloat64()
}

// GPUs returns how many GPUs a pod with these resources has.
func GPUs(r corev1.ResourceRequirements) int64 { return int64(asked(r, api.ResourceGPU)) }

// threads follows the CPU request and never the node's size, so that a resumed trial computes the same numbers
// elsewhere.
func threads(r corev1.ResourceRequirements) int {
	q, ok := r.Requests[corev1.ResourceCPU]
	if !ok {
		q = r.Limits[corev1.ResourceCPU]
	}
	return max(1, int(q.Value())) // Value rounds up
}
