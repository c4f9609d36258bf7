package controller

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"plumbline.dev/plumbline/operator/attempt"
)

// workloadKind is Kueue's record of something that waits in a queue. What is read of it is the same in every version of
// its API.
var workloadKind = schema.GroupKind{Group: "kueue.x-k8s.io", Kind: "Workload"}

// askKueue has Kueue say why the named Jobs wait that are in one of its queues. That it cannot be asked holds nothing
// up.
func (r *TrainingRunReconciler) askKueue(ctx context.Context, cluster *attempt.Cluster, names []string) {
	for _, job := range cluster.Jobs {
		if !attempt.InQueue(job) || !slices.Contains(names, job.Name) {
			continue
		}
		words, err := r.kueueSays(ctx, job)
		if err != nil {
			log.FromContext(ctx).Info("cannot ask Kueue why a Job waits", "job", job.Name, "cause", err.Error())
		} else if words != "" {
			cluster.Warnings[job.Name] = words
		}
	}
}

// kueueSays is empty where there is no Kueue, and until it has looked at the Job.
func (r *TrainingRunReconciler) kueueSays(ctx context.Context, job *batchv1.Job) (string, error) {
	served, err := r.Client.RESTMapper().RESTMapping(workloadKind)
	if meta.IsNoMatchError(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find out which Workloads the API server knows: %w", err)
	}
	var workloads unstructured.UnstructuredList
	workloads.SetGroupVersionKind(served.GroupVersionKind)
	err = r.Live.List(ctx, &workloads, client.InNamespace(job.Namespace), client.MatchingLabels{"kueue.x-k8s.io/job-uid": string(job.UID)})
	if err != nil {
		return "", fmt.Errorf("look for the Workload of Job %s: %w", job.Name, err)
	}
	for _, w := range workloads.Items {
		if words := whyPending(w.Object); words != "" {
			return words, nil
		}
	}
	return "", nil
}

// whyPending is Kueue's own sentence on a Workload that it has not admitted: what its queue lacks; or, with its share
// of the queue reserved, the first check that has not passed.
func whyPending(workload map[string]any) string {
	conditions, _, _ := unstructured.NestedSlice(workload, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "QuotaReserved" && c["status"] == "False" {
			message, _ := c["message"].(string)
			return message
		}
	}
	checks, _, _ := unstructured.NestedSlice(workload, "status", "admissionChecks")
	for _, c := range checks {
		if c, ok := c.(map[string]any); ok && c["state"] != "Ready" {
			return fmt.Sprintf("admission check %v is %v: %v", c["name"], c["state"], c["message"])
		}
	}
	return ""
}
