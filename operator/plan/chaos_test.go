package plan

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/wire"
)

// Users, nodes and Kueue disturb a run at random. The run must end, no pod of it may remain, and no trial may ever have
// two pods at once, which reconcile checks at every step.
func TestRandomDisturbances(t *testing.T) {
	for seed := range uint64(100) {
		w := newWorld(t, 18, 34, 50)
		w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(100))}
		if seed%5 == 0 {
			w.run.Spec.ActiveDeadlineSeconds = ptr.To(int64(60 + seed))
		}
		w.cluster.SuspendNew = seed%3 == 0
		dice := rand.New(rand.NewPCG(seed, 5))
		one := func(p float64) bool { return dice.Float64() < p } // true with probability p
		for tick := 0; !Ended(w.run); tick++ {
			if tick > 4000 {
				t.Fatalf("seed %d: the run does not end: %+v", seed, w.run.Status)
			}
			if tick < 300 {
				w.disturb(one)
			} else {
				w.run.Spec.Suspend = nil
				w.saved()
				for _, j := range w.cluster.Jobs {
					j.Spec.Suspend = nil
				}
			}
			w.schedule()
			for _, s := range w.run.Status.Trials {
				pod := w.cluster.Of(JobName(w.run.Name, s.Name, s.Attempt)).Pod
				if s.Attempt > 0 && pod != nil && !attempt.PodEnded(pod) && one(0.05) {
					if w.reports.Trials[s.Name].Epoch < 4 {
						w.report(s.Name, w.reports.Trials[s.Name].Epoch+1, dice.Float64())
					} else {
						w.finished(s.Name)
						w.exit(s.Name, 0, "Completed", wire.Result{})
					}
				}
			}
			w.reports.Drained = true
			before := w.run.Status.DeepCopy()
			w.reconcile()
			neverBack(t, before, &w.run.Status)
			w.after(time.Second)
		}
		loss := attempt.NodeLoss{Seconds: attempt.DefaultNodeLossSeconds, Now: w.now}
		for _, p := range w.cluster.Pods {
			if !attempt.PodEnded(p) && !loss.Lost(p) {
				t.Fatalf("seed %d: the run ended and pod %s still runs", seed, p.Name)
			}
		}
		if s := w.run.Status; s.ActiveSince != nil || s.Cost != nil && s.Cost.LostSeconds > s.Cost.PodSeconds {
			t.Fatalf("seed %d: the ended run counts active time since %v; its cost is %+v", seed, s.ActiveSince, s.Cost)
		}
	}
}

// disturb does to the run what users, nodes and Kueue may do.
func (w *world) disturb(one func(p float64) bool) {
	if one(0.02) {
		w.run.Spec.Suspend = ptr.To(!ptr.Deref(w.run.Spec.Suspend, false))
	}
	if one(0.002) {
		w.run.Spec.StopTrials = []api.TrialName{"d34"}
	}
	for _, p := range slices.Clone(w.cluster.Pods) {
		switch {
		case attempt.PodEnded(p):
		case p.DeletionTimestamp != nil && one(0.3): // the pod wrote its checkpoint and ended
			w.cluster.Pods = slices.DeleteFunc(w.cluster.Pods, func(o *corev1.Pod) bool { return o == p })
		case p.DeletionTimestamp == nil && one(0.005): // the pod's node is drained, or lost
			p.DeletionTimestamp = decision.Time(w.now.Add(30 * time.Second))
		}
	}
	for _, j := range w.cluster.Jobs {
		switch {
		case w.cluster.SuspendNew && attempt.JobSuspended(j) && one(0.2):
			j.Spec.Suspend = ptr.To(false)
		case w.cluster.SuspendNew && !attempt.JobSuspended(j) && one(0.01):
			// Kueue preempts the Job, and Kubernetes deletes the pod of the suspended Job.
			j.Spec.Suspend = ptr.To(true)
			if p := w.cluster.PodOf(j); p != nil && !attempt.PodEnded(p) && p.DeletionTimestamp == nil {
				p.DeletionTimestamp = decision.Time(w.now.Add(30 * time.Second))
			}
		}
	}
}
