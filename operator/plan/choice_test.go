package plan

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

// FuzzTheChoiceIgnoresOrder feeds the reports of a sweep to the operator in several orders, some of them twice, and
// those of replaced attempts late. The operator must always choose the same checkpoint for the same reason, also if it
// chose before all reports had arrived.
func FuzzTheChoiceIgnoresOrder(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 3))
		depths := []int{18, 34, 50, 101}
		var reports []wire.Report
		for _, d := range depths {
			otherData := rng.IntN(5) == 0
			for _, r := range reporttest.ThreeAttempts(rng) {
				reports = append(reports, asTrial(d, otherData, r))
			}
		}
		never := func() bool { return false }
		sometimes := func() bool { return rng.IntN(3) == 0 }
		want := chosen(t, depths, reports, never)
		rng.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		for range 20 {
			reports = append(reports, reports[rng.IntN(len(reports))])
		}
		for name, between := range map[string]func() bool{"at the end": never, "in between as well": sometimes} {
			if diff := cmp.Diff(want, chosen(t, depths, reports, between)); diff != "" {
				t.Errorf("in another order, some of them repeated, chosen %s:\n%s", name, diff)
			}
		}
	})
}

// asTrial returns a report of d18 as if another trial had sent it, which may have learned from other data.
func asTrial(depth int, otherData bool, r wire.Report) wire.Report {
	name := wire.TrialName(depth)
	own := func(s string) string { return strings.Replace(s, "d18", name, 1) }
	r.Trial, r.Depth, r.Writer = name, depth, own(r.Writer)
	if r.ComputedBy != nil {
		r.ComputedBy = &wire.Origin{Writer: own(r.ComputedBy.Writer), Sequence: r.ComputedBy.Sequence}
	}
	if r.Checkpoint != nil {
		r.Checkpoint = &wire.CheckpointRef{URI: own(r.Checkpoint.URI), Digest: r.Checkpoint.Digest}
	}
	if otherData {
		r.Digests.Labels = "other"
	}
	return r
}

// choice is what the run's status says at the end about the best.
type choice struct {
	Best   *api.Best
	Reason string // of BestSelected
}

// chosen folds the reports of a run whose trials have ended, and returns the operator's choice at the end. After each
// report the operator also chooses if between returns true.
func chosen(t *testing.T, depths []int, reports []wire.Report, between func() bool) choice {
	t.Helper()
	now := metav1.NewTime(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	run := &api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "sweep", UID: reporttest.UID}}
	run.Status.StartTime, run.Status.Stream = &now, &api.StreamPosition{ID: "s", Sequence: 1}
	for _, d := range depths {
		run.Status.Trials = append(run.Status.Trials, api.TrialStatus{
			Name: wire.TrialName(d), Depth: api.Depth(d), Phase: api.TrialSucceeded,
			Attempt: 3, Epochs: 8, CompletionTime: &now,
		})
	}
	l := ledger.New()
	decide := func(drained bool) {
		p := Make(Input{
			Run:     run,
			Stream:  ledger.Stream{ID: "s", Current: true, Connected: true},
			Reports: ledger.Reports{Trials: l.View(), Whole: true, Drained: drained},
			Now:     now.Time,
		})
		run = run.DeepCopy()
		run.Status = p.Status
	}
	for _, r := range reports {
		l.Fold(r)
		if between() {
			decide(false)
		}
	}
	decide(true)
	if !Ended(run) {
		t.Fatalf("the run has not ended: %+v", run.Status)
	}
	out := choice{Best: run.Status.Best}
	for _, c := range run.Status.Conditions {
		if c.Type == api.ConditionBestSelected {
			out.Reason = c.Reason + ": " + c.Message
		}
	}
	return out
}
