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

// observe collects everything from which the plan is made. The order matters: observe reads the cluster, then asks
// whether the stream is drained, and reads the folded reports last. Of a pod that had ended by the first step, a
// drained stream has no more reports by the second, and the third returns them all.
func (r *TrainingRunReconciler) observe(ctx context.Context, run *api.TrainingRun) (plan.Input, error) {
	in := plan.Input{Run: run, Installation: r.Installation, Now: r.Now()}
	var err error
	if plan.Ended(run) {
		if at := plan.ExpiresAt(run); !at.IsZero() && !in.Now.Before(at) {
			in.Publishing, err = r.countPublishing(ctx, run)
		}
		return in, err
	}
	if in.Cluster, err = observeCluster(ctx, r.Client, run, labelsOfRun(run)); err != nil {
		return in, err
	}
	if err := r.readLiveIfNeeded(ctx, run, &in.Cluster, in.Now); err != nil {
		return in, err
	}
	if err := r.explainWaits(ctx, run, &in.Cluster, in.Now); err != nil {
		return in, err
	}
	in.Admission = r.ensureCredentialOnce(ctx, run)
	drained := false
	if plan.NeedsDrain(run) {
		if drained, err = r.Ingest.Drained(ctx, run.UID); err != nil {
			log.FromContext(ctx).Info("cannot tell whether all reports were read", "cause", err.Error())
		}
	}
	in.Stream, in.Reports = r.Ingest.Stream(), r.Ingest.Reports(run.UID)
	in.Reports.Drained = drained
	return in, nil
}

func labelsOfRun(run *api.TrainingRun) client.MatchingLabels {
	return client.MatchingLabels{api.LabelRunUID: string(run.UID)}
}

// observeCluster lists Jobs and pods by label, and keeps the Jobs that the owner controls.
func observeCluster(
	ctx context.Context, c client.Reader, owner client.Object, labels client.MatchingLabels,
) (attempt.Cluster, error) {
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

func listPods(
	ctx context.Context, c client.Reader, namespace string, labels client.MatchingLabels,
) ([]*corev1.Pod, error) {
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

// readLiveIfNeeded reads Jobs and pods from the API server itself if the plan must not be made from a cache that may be
// behind.
func (r *TrainingRunReconciler) readLiveIfNeeded(
	ctx context.Context, run *api.TrainingRun, cluster *attempt.Cluster, now time.Time,
) (err error) {
	needed := plan.NeedsLiveRead(run, now)
	for _, t := range run.Status.Trials {
		hasJob := t.Phase == api.TrialStarting || t.Phase == api.TrialRunning // its Job was observed before
		needed = needed || hasJob && !cluster.Has(plan.JobName(run.Name, t.Name, t.Attempt))
	}
	if needed {
		*cluster, err = observeCluster(ctx, r.Live, run, labelsOfRun(run))
	}
	return err
}

// explainWaits adds two kinds of reasons to the cluster's warnings: why Jobs and pods wait, if their own status does
// not say so, and why Jobs could not be created. The sources are the cluster's events, Kueue, and what the API server
// answered at the last try.
func (r *TrainingRunReconciler) explainWaits(
	ctx context.Context, run *api.TrainingRun, cluster *attempt.Cluster, now time.Time,
) (err error) {
	unexplained := plan.Unexplained(run, *cluster, now)
	if cluster.Warnings, err = r.warnings(ctx, run.Namespace, unexplained); err != nil {
		return err
	}
	r.readWorkloads(ctx, cluster, unexplained)
	for _, t := range run.Status.Trials {
		name := plan.JobName(run.Name, t.Name, t.Attempt)
		if err := r.refusals.of(types.NamespacedName{Namespace: run.Namespace, Name: name}); err != nil {
			cluster.Warnings[name] = err.Error()
			if namesInvalidFields(err) {
				cluster.Invalid = append(cluster.Invalid, name)
			}
		}
	}
	return nil
}

// warnings returns the newest warning event of each named object, without the operator's own events.
func (r *TrainingRunReconciler) warnings(
	ctx context.Context, namespace string, names []string,
) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		var found corev1.EventList
		about := client.MatchingFields{"involvedObject.name": name, "type": corev1.EventTypeWarning}
		if err := r.Live.List(ctx, &found, client.InNamespace(namespace), about); err != nil {
			return nil, fmt.Errorf("list the warning events of %s: %w", name, err)
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

// countPublishing returns how many of the run's ModelVersions are neither published nor have failed.
func (r *TrainingRunReconciler) countPublishing(ctx context.Context, run *api.TrainingRun) (n int, err error) {
	var versions api.ModelVersionList
	if err := r.Live.List(ctx, &versions, client.InNamespace(run.Namespace)); err != nil {
		return 0, fmt.Errorf("list the ModelVersions of TrainingRun %s: %w", run.Name, err)
	}
	for _, v := range versions.Items {
		if v.Spec.Run.UID == string(run.UID) && v.Status.CompletionTime == nil {
			n++
		}
	}
	return n, nil
}

func owns(owner client.Object, o client.Object) bool { return metav1.IsControlledBy(o, owner) }

// ActiveRuns returns a function that lists the runs that have not ended, in the given namespaces, or in all without
// any. live must read the API server itself.
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
