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

// workloadKind is the kind of Kueue's record of a Job that waits in a queue. The fields that the operator reads are the
// same in every version of Kueue's API.
var workloadKind = schema.GroupKind{Group: "kueue.x-k8s.io", Kind: "Workload"}

// readWorkloads looks for the named Jobs that are in a Kueue queue, and adds to the cluster's warnings why they wait.
// If a Workload cannot be read, the reconcile continues without its reason.
func (r *TrainingRunReconciler) readWorkloads(ctx context.Context, cluster *attempt.Cluster, names []string) {
	for _, job := range cluster.Jobs {
		if !attempt.InQueue(job) || !slices.Contains(names, job.Name) {
			continue
		}
		reason, err := r.kueueReason(ctx, job)
		if err != nil {
			log.FromContext(ctx).Info("cannot ask Kueue why a Job waits", "job", job.Name, "cause", err.Error())
		} else if reason != "" {
			cluster.Warnings[job.Name] = reason
		}
	}
}

// kueueReason returns why Kueue has not admitted a Job. It is empty in a cluster without Kueue, and until Kueue has
// considered the Job.
func (r *TrainingRunReconciler) kueueReason(ctx context.Context, job *batchv1.Job) (string, error) {
	served, err := r.Client.RESTMapper().RESTMapping(workloadKind)
	if meta.IsNoMatchError(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find Kueue's API: %w", err)
	}
	var workloads unstructured.UnstructuredList
	workloads.SetGroupVersionKind(served.GroupVersionKind)
	ofJob := client.MatchingLabels{"kueue.x-k8s.io/job-uid": string(job.UID)}
	if err := r.Live.List(ctx, &workloads, client.InNamespace(job.Namespace), ofJob); err != nil {
		return "", fmt.Errorf("find the Workload of Job %s: %w", job.Name, err)
	}
	for _, w := range workloads.Items {
		if reason := whyPending(w.Object); reason != "" {
			return reason, nil
		}
	}
	return "", nil
}

// whyPending returns Kueue's own text about a Workload that it has not admitted: what the queue lacks, or, once quota
// is reserved, the first admission check that has not passed.
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
