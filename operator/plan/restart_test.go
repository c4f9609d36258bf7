package plan

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/wire"
)

// An operator that is killed and restarted at random moments brings a run to the same result as one that is not killed.
func TestRestartsChangeNothing(t *testing.T) {
	for seed := range uint64(150) {
		want := runSweep(t, seed, 0)
		for _, often := range []float64{0.05, 0.3} {
			if diff := cmp.Diff(want, runSweep(t, seed, often)); diff != "" {
				t.Fatalf("seed %d, killed with probability %v at each point: %s", seed, often, diff)
			}
		}
	}
}

// outcome is the part of a run's result that must not depend on when the operator was killed.
type outcome struct {
	Phase       api.RunPhase
	Best        string
	Reason      string
	Trials      []string
	Jobs        int
	BestIsFinal bool
}

// runSweep runs a sweep to its end. What its pods do depends only on seed, trial and attempt. At each point where the
// operator may be killed, it is killed with probability often.
func runSweep(t *testing.T, seed uint64, often float64) outcome {
	w := newWorld(t, 18, 34, 50, 101)
	w.run.Spec.Parallelism = ptr.To(int32(1 + seed%4))
	w.run.Spec.FailurePolicy = &api.FailurePolicy{MaxRetries: ptr.To(int32(2))}
	dice := rand.New(rand.NewPCG(seed, uint64(often*1000)))
	behind := 0 // for how many more ticks a restarted operator has not read the whole stream
	w.crash = func(string) bool {
		if dice.Float64() >= often {
			return false
		}
		behind = 3
		return true
	}
	age := map[string]int{}
	for tick := 0; !Ended(w.run); tick++ {
		if tick > 2000 {
			t.Fatalf("seed %d: the run does not end: %+v", seed, w.run.Status)
		}
		w.schedule()
		w.train(seed, age)
		all := w.reports
		w.stream.Current = behind == 0
		if behind > 0 {
			behind--
			w.reports = ledger.Reports{Trials: map[string]ledger.TrialReports{}, Whole: true}
		}
		w.reports.Drained = w.stream.Current
		before := w.run.Status.DeepCopy()
		w.reconcile()
		neverBack(t, before, &w.run.Status)
		w.reports = all
		w.after(time.Second)
	}
	o := outcome{Phase: w.run.Status.Phase, Jobs: len(w.cluster.Jobs)}
	if b := w.run.Status.Best; b != nil {
		o.Best, o.Reason, o.BestIsFinal = fmt.Sprint(b.Trial, b.Epoch, b.AUCPR), b.Reason, !b.Provisional
	}
	for _, s := range w.run.Status.Trials {
		trial := fmt.Sprint(s.Name, s.Phase, s.Reason, s.Message, s.Attempt, s.Retries, s.Epoch, s.Curve)
		o.Trials = append(o.Trials, trial)
	}
	return o
}

// train runs each pod for one tick. A pod finishes one epoch a tick. Seed, trial and attempt decide when and how it
// ends.
func (w *world) train(seed uint64, age map[string]int) {
	for i := range w.run.Status.Trials {
		s := &w.run.Status.Trials[i]
		a := w.cluster.Of(JobName(w.run.Name, s.Name, s.Attempt))
		if a.Pod == nil || attempt.PodEnded(a.Pod) {
			continue
		}
		dice := rand.New(rand.NewPCG(seed, uint64(s.Depth)<<8+uint64(s.Attempt)))
		end := []int32{0, 0, 0, wire.ExitInterrupted, 139, wire.ExitDiverged, wire.ExitData}[dice.IntN(7)]
		life := 4
		if end != 0 {
			life = dice.IntN(4)
		}
		age[a.Job.Name]++
		if n := age[a.Job.Name]; n <= life {
			if n > w.reports.Trials[s.Name].Epoch { // a later attempt resumes from the last checkpoint
				w.report(s.Name, n, float64(dice.IntN(1000))/1000)
			}
			continue
		}
		if end == 0 {
			w.finished(s.Name)
		}
		w.exit(s.Name, end, "Error", wire.Result{})
	}
}

// neverBack fails the test if one plan has set back a trial's status or has skipped an attempt.
func neverBack(t *testing.T, before, after *api.TrainingRunStatus) {
	t.Helper()
	for i, b := range before.Trials {
		a := after.Trials[i]
		switch {
		case a.Attempt < b.Attempt, a.Attempt > b.Attempt+1, a.Retries < b.Retries, a.Epoch < b.Epoch,
			len(a.Curve) < len(b.Curve), b.Phase.Terminal() && a.Phase != b.Phase, b.Best != nil && a.Best == nil:
			t.Fatalf("%s went back from %+v to %+v", b.Name, b, a)
		}
	}
}
