package controller

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/podspec"
)

// observe gathers everything that the plan is made from. The order matters where noted: what the stream is asked comes
// after what the cluster showed.
func (r *TrainingRunReconciler) observe(ctx context.Context, run *api.TrainingRun) (plan.Input, error) {
	in := plan.Input{Run: run, Settings: r.Settings, Now: r.Now()}
	var err error
	if plan.Ended(run) {
		if at := plan.ExpiresAt(run); !at.IsZero() && !in.Now.Before(at) {
			in.Promotions, err = r.promotions(ctx, run)
		}
		return in, err
	}
	if in.Cluster, err = observeCluster(ctx, r.Client, run, client.MatchingLabels{api.LabelRunUID: string(run.UID)}); err != nil {
		return in, err
	}
	if err := r.readLiveIfNeeded(ctx, run, &in.Cluster, in.Now); err != nil {
		return in, err
	}
	if err := r.explainWaits(ctx, run, &in.Cluster, in.Now); err != nil {
		return in, err
	}
	in.Admission = r.ensureCredentialOnce(ctx, run)
	if plan.NeedsDrain(run) {
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
func observeCluster(ctx context.Context, c client.Reader, owner client.Object, labels client.MatchingLabels) (attempt.Cluster, error) {
	var jobs batchv1.JobList
	if err := c.List(ctx, &jobs, client.InNamespace(owner.GetNamespace()), labels); err != nil {
		return attempt.Cluster{}, fmt.Errorf("list Jobs: %w", err)
	}
	var cluster attempt.Cluster
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

// readLiveIfNeeded reads Jobs and pods from the API server itself where a cache that is behind would mislead the plan.
func (r *TrainingRunReconciler) readLiveIfNeeded(
	ctx context.Context, run *api.TrainingRun, cluster *attempt.Cluster, now time.Time,
) (err error) {
	needed := plan.NeedsLiveRead(run, now)
	for _, t := range run.Status.Trials {
		hasJob := t.Phase == api.TrialStarting || t.Phase == api.TrialRunning // so its Job was observed once
		needed = needed || hasJob && !cluster.Has(attempt.JobName(run.Name, t.Name, t.Attempt))
	}
	if needed {
		*cluster, err = observeCluster(ctx, r.Live, run, client.MatchingLabels{api.LabelRunUID: string(run.UID)})
	}
	return err
}

// explainWaits adds to the cluster why Jobs and pods wait that do not say so themselves, and why Jobs could not be
// created.
func (r *TrainingRunReconciler) explainWaits(
	ctx context.Context, run *api.TrainingRun, cluster *attempt.Cluster, now time.Time,
) (err error) {
	unexplained := attempt.Unexplained(run, *cluster, now)
	if cluster.Warnings, err = r.warnings(ctx, run.Namespace, unexplained); err != nil {
		return err
	}
	r.askKueue(ctx, cluster, unexplained)
	for _, t := range run.Status.Trials {
		name := attempt.JobName(run.Name, t.Name, t.Attempt)
		if err := r.refusals.of(types.NamespacedName{Namespace: run.Namespace, Name: name}); err != nil {
			cluster.Warnings[name] = err.Error()
			if invalid(err) {
				cluster.Invalid = append(cluster.Invalid, name)
			}
		}
	}
	return nil
}

// warnings finds the newest warning of the cluster about each of the named objects.
func (r *TrainingRunReconciler) warnings(ctx context.Context, namespace string, names []string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		var found corev1.EventList
		if err := r.Live.List(ctx, &found, client.InNamespace(namespace), client.MatchingFields{"involvedObject.name": name, "type": corev1.EventTypeWarning}); err != nil {
			return nil, fmt.Errorf("look for what the cluster says of %s: %w", name, err)
		}
		var newest metav1.Time
		for _, e := range found.Items {
			at := e.LastTimestamp
			if at.IsZero() {
				at = metav1.NewTime(e.EventTime.Time)
			}
			if e.ReportingController != podspec.Manager && !at.Before(&newest) {
				newest, out[name] = at, e.Reason+": "+e.Message
			}
		}
	}
	return out, nil
}

// promotions counts the run's ModelVersions that have not ended.
func (r *TrainingRunReconciler) promotions(ctx context.Context, run *api.TrainingRun) (n int, err error) {
	var versions api.ModelVersionList
	if err := r.Live.List(ctx, &versions, client.InNamespace(run.Namespace)); err != nil {
		return 0, fmt.Errorf("look for promotions of TrainingRun %s: %w", run.Name, err)
	}
	for _, v := range versions.Items {
		if v.Spec.Run.UID == string(run.UID) && v.Status.CompletionTime == nil {
			n++
		}
	}
	return n, nil
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
