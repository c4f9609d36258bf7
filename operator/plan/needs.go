package plan

import (
	"slices"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
)

// NeedsLiveRead reports whether this plan must read Jobs and pods from the API server, because the cache may be behind.
// A stale cache may lack the pod of the last attempt when the next attempt is due, or the Job of a trial that is being
// stopped.
func NeedsLiveRead(run *api.TrainingRun, now time.Time) bool {
	for _, t := range run.Status.Trials {
		if t.Phase == api.TrialStopping || t.NextAttemptTime != nil && !now.Before(t.NextAttemptTime.Time) {
			return true
		}
	}
	return false
}

// NeedsDrain reports whether this plan depends on whether the stream has been read to its end. It does if some trial's
// pod has ended with exit code 0, or if all trials have ended.
func NeedsDrain(run *api.TrainingRun) bool {
	all := len(run.Status.Trials) > 0
	for _, t := range run.Status.Trials {
		if t.Phase == api.TrialFinishing {
			return true
		}
		all = all && t.Phase.Terminal()
	}
	return all
}

// Unexplained returns the sorted names of the run's Jobs and pods that have waited for at least attempt.ExplainAfter
// and whose own status does not say why. Such a Job gets no pod because of a quota or an admission webhook; such a pod
// has a volume that cannot be mounted. Only events name these causes.
func Unexplained(run *api.TrainingRun, c attempt.Cluster, now time.Time) (names []string) {
	for _, t := range run.Status.Trials {
		if t.Phase != api.TrialStarting && t.Phase != api.TrialWaiting || t.Attempt == 0 {
			continue
		}
		a := c.Of(JobName(run.Name, t.Name, t.Attempt))
		if a.Job == nil || now.Sub(a.Job.CreationTimestamp.Time) < attempt.ExplainAfter {
			continue
		}
		w := a.Wait(attempt.Wait{Reason: t.Reason, Message: t.Message}, nil)
		switch {
		case !w.InEvents():
		case a.Pod != nil:
			names = append(names, a.Pod.Name)
		default:
			names = append(names, a.Job.Name)
		}
	}
	slices.Sort(names)
	return names
}
