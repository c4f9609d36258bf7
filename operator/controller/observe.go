package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/plan"
)

// observe gathers everything that the plan is made from. The order matters where noted: what the stream is asked comes after
// what the cluster showed.
func (r *TrainingRunReconciler) observe(ctx context.Context, run *api.TrainingRun) (plan.Input, error) {
	in := plan.Input{Run: run, Settings: r.Settings, Now: r.Now()}
	if plan.Ended(run) {
		return in, nil
	}
	var err error
	if in.Cluster, err = observeCluster(ctx, r.Client, run, client.MatchingLabels{api.LabelRunUID: string(run.UID)}); err != nil {
		return in, err
	}
	if err := r.lookAgain(ctx, run, &in.Cluster, in); err != nil {
		return in, err
	}
	if run.Status.StartTime == nil {
		in.Admission = r.ensureCredential(ctx, run)
	}
	if plan.MustDrain(run) {
		// Asked after the pods were seen to have ended, so that what they sent last is counted in.
		if in.Reports.Drained, err = r.Ingest.Drained(ctx, run.UID); err != nil {
			log.FromContext(ctx).Info("cannot tell whether all reports were read", "cause", err.Error())
		}
	}
	drained := in.Reports.Drained
	in.Stream, in.Reports = r.Ingest.Stream(), r.Ingest.Reports(run.UID)
	in.Reports.Drained = drained
	return in, nil
}

// observeCluster lists Jobs and pods by label, and keeps the Jobs that the owner made.
func observeCluster(ctx context.Context, c client.Reader, owner client.Object, labels client.MatchingLabels) (plan.Cluster, error) {
	var jobs batchv1.JobList
	if err := c.List(ctx, &jobs, client.InNamespace(owner.GetNamespace()), labels); err != nil {
		return plan.Cluster{}, fmt.Errorf("list Jobs: %w", err)
	}
	var cluster plan.Cluster
	for i := range jobs.Items {
		if owns(owner, &jobs.Items[i]) {
			cluster.Jobs = append(cluster.Jobs, &jobs.Items[i])
		}
	}
	var err error
	cluster.Pods, err = listPods(ctx, c, owner.GetNamespace(), labels)
	return cluster, err
}

func listPods(ctx context.Context, c client.Reader, namespace string, labels client.MatchingLabels) ([]*corev1.Pod, error) {
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(namespace), labels); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	out := make([]*corev1.Pod, len(pods.Items))
	for i := range pods.Items {
		out[i] = &pods.Items[i]
	}
	return out, nil
}

// lookAgain asks the API server itself where a cache that is behind would mislead: a Job that was seen once and is not in the
// cache, and pods that may be left when a trial is about to get another attempt.
func (r *TrainingRunReconciler) lookAgain(ctx context.Context, run *api.TrainingRun, cluster *plan.Cluster, in plan.Input) error {
	due := false
	for _, t := range run.Status.Trials {
		due = due || t.NextAttemptTime != nil && !in.Now.Before(t.NextAttemptTime.Time)
		if t.Phase != api.TrialStarting && t.Phase != api.TrialRunning {
			continue
		}
		name := plan.JobName(run.Name, t.Name, t.Attempt)
		if cluster.Has(name) {
			continue
		}
		var job batchv1.Job
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: name}, &job)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("look for Job %s: %w", name, err)
		case owns(run, &job):
			cluster.Jobs = append(cluster.Jobs, &job)
		}
	}
	if !due {
		return nil
	}
	var err error
	cluster.Pods, err = listPods(ctx, r.Live, run.Namespace, client.MatchingLabels{api.LabelRunUID: string(run.UID)})
	return err
}

func owns(owner client.Object, o client.Object) bool { return metav1.IsControlledBy(o, owner) }

// ActiveRuns lists the runs that have not ended, in the given namespaces or in all, from the API server itself.
func ActiveRuns(live client.Reader, namespaces []string) func(context.Context) ([]api.TrainingRun, error) {
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	return func(ctx context.Context) ([]api.TrainingRun, error) {
		var active []api.TrainingRun
		for _, n := range namespaces {
			var runs api.TrainingRunList
			if err := live.List(ctx, &runs, client.InNamespace(n)); err != nil {
				return nil, fmt.Errorf("list TrainingRuns: %w", err)
			}
			for _, r := range runs.Items {
				if !plan.Ended(&r) {
					active = append(active, r)
				}
			}
		}
		return active, nil
	}
}
