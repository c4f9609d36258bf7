package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
)

// countChanges adds to the metrics what a written status says and the status before it did not. Nothing is counted
// twice, even if the leader changes or restarts, because the status is the record.
func countChanges(before, after *api.TrainingRunStatus, p plan.Plan) {
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

// endedAttempts returns the class of each recorded attempt that has ended. It leaves out an attempt whose trial is
// Finishing: its last report has not been read yet, and the class is not known before.
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

var runPhases = []api.RunPhase{
	api.RunPending, api.RunRunning, api.RunSuspended, api.RunSucceeded, api.RunFailed,
}

var trialPhases = []api.TrialPhase{
	api.TrialWaiting, api.TrialStarting, api.TrialRunning, api.TrialFinishing,
	api.TrialStopping, api.TrialSucceeded, api.TrialFailed, api.TrialStopped,
}

func costOf(s *api.TrainingRunStatus) api.Cost {
	if s.Cost == nil {
		return api.Cost{}
	}
	return *s.Cost
}

// CountPhases returns a function that counts runs and trials by phase, for Prometheus. The counts contain every phase,
// so that a phase without runs or trials reads 0.
func CountPhases(c client.Reader) func() metrics.Counts {
	return func() metrics.Counts {
		s := metrics.Counts{Runs: map[string]int{}, Trials: map[string]int{}}
		var all api.TrainingRunList
		if err := c.List(context.Background(), &all); err != nil {
			return s // The cache has not started yet.
		}
		for _, p := range runPhases {
			s.Runs[string(p)] = 0
		}
		for _, p := range trialPhases {
			s.Trials[string(p)] = 0
		}
		for _, r := range all.Items {
			if r.Status.Phase != "" { // otherwise the run has not been reconciled yet
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
