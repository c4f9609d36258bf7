package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
)

// count counts what a written status says that the one before it did not: the status is the record, so nothing is
// counted twice, whoever leads and however often it restarts.
func count(before, after *api.TrainingRunStatus, p plan.Plan) {
	for _, class := range p.Retries {
		metrics.Retries.WithLabelValues(string(class)).Inc()
	}
	ended := endedAttempts(before)
	for attempt, class := range endedAttempts(after) {
		if _, was := ended[attempt]; !was {
			metrics.Attempts.WithLabelValues(class).Inc()
		}
	}
	if before.CompletionTime == nil && after.CompletionTime != nil {
		metrics.Ended.WithLabelValues(string(after.Phase)).Inc()
	}
	was, is := costOf(before), costOf(after)
	metrics.GPUSeconds.Add(float64(max(0, is.GPUSeconds-was.GPUSeconds)))
	metrics.LostGPUSeconds.Add(float64(max(0, is.LostGPUSeconds-was.LostGPUSeconds)))
}

type attemptKey struct {
	trial  string
	number int32
}

// endedAttempts are the recorded attempts that have ended, with their classes. Of one whose last report has not been
// read yet nobody knows the class.
func endedAttempts(s *api.TrainingRunStatus) map[attemptKey]string {
	out := map[attemptKey]string{}
	for _, t := range s.Trials {
		for _, a := range t.Attempts {
			if a.EndTime != nil && !(t.Phase == api.TrialFinishing && a.Number == t.Attempt) {
				out[attemptKey{t.Name, a.Number}] = a.Class
			}
		}
	}
	return out
}

func costOf(s *api.TrainingRunStatus) api.Cost {
	if s.Cost == nil {
		return api.Cost{}
	}
	return *s.Cost
}

// State counts runs and trials by phase, for Prometheus. Every phase is there, so that one that nothing is in reads 0.
func State(c client.Reader) func() metrics.State {
	return func() metrics.State {
		s := metrics.State{Runs: map[string]int{}, Trials: map[string]int{}}
		var all api.TrainingRunList
		if err := c.List(context.Background(), &all); err != nil {
			return s // the cache has not started yet
		}
		for _, p := range []api.RunPhase{api.RunPending, api.RunRunning, api.RunSuspended, api.RunSucceeded, api.RunFailed} {
			s.Runs[string(p)] = 0
		}
		for _, p := range []api.TrialPhase{api.TrialWaiting, api.TrialStarting, api.TrialRunning, api.TrialFinishing, api.TrialStopping, api.TrialSucceeded, api.TrialFailed, api.TrialStopped} {
			s.Trials[string(p)] = 0
		}
		for _, r := range all.Items {
			if r.Status.Phase != "" { // otherwise the operator has not looked at it yet
				s.Runs[string(r.Status.Phase)]++
			}
			for _, t := range r.Status.Trials {
				s.Trials[string(t.Phase)]++
				if !plan.Ended(&r) {
					s.Missing += t.Gaps
				}
			}
		}
		return s
	}
}
