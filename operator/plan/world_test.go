package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/clustertest"
	"plumbline.dev/plumbline/operator/decision"
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

var epoch0 = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)

// world is one run in a cluster with a report stream. Its methods change them, and run the operator's loop over them.
type world struct {
	t       *testing.T
	run     *api.TrainingRun
	cluster clustertest.Cluster
	stream  ledger.Stream
	reports ledger.Reports
	denied  error // why the run cannot be admitted; nil: it can
	now     time.Time

	crash   func(point string) bool // reports whether the operator is killed at a point; nil: never
	story   strings.Builder
	retries int

	publishing int  // the number of ModelVersions of the run whose publishing has not ended
	expired    bool // whether the run was deleted
}

func newWorld(t *testing.T, depths ...api.Depth) *world {
	return &world{
		t:   t,
		now: epoch0,
		run: &api.TrainingRun{
			ObjectMeta: metav1.ObjectMeta{Namespace: "lab", Name: "erasers", UID: "11111111-2222", Generation: 1},
			Spec: api.TrainingRunSpec{
				Depths:          depths,
				Dataset:         api.Dataset{URI: "file:///data"},
				Hyperparameters: &api.Hyperparameters{Epochs: ptr.To(int32(4))},
				Checkpoint:      api.Checkpoint{URI: "file:///checkpoints"},
				Template:        api.PodTemplate{Image: "trainer:1"},
			},
		},
		stream:  ledger.Stream{Connected: true, ID: "2026-01-01T00:00:00Z", Next: 7, Current: true},
		reports: ledger.Reports{Trials: map[string]ledger.TrialReports{}, Whole: true},
	}
}

func (w *world) input() Input {
	in := Input{
		Run:          w.run.DeepCopy(),
		Cluster:      w.cluster.Cluster,
		Stream:       w.stream,
		Reports:      w.reports,
		Admission:    w.denied,
		Installation: resolve.Installation{NATS: "nats://nats:4222"},
		Publishing:   w.publishing,
		Now:          w.now,
	}
	in.Reports.Drained = in.Reports.Drained && NeedsDrain(w.run)
	return in
}

// reconcile runs the operator's loop once: observe, plan, write the status, send events, act. It reports whether
// anything changed.
func (w *world) reconcile() (changed bool) {
	w.oneAttemptAtATime()
	p := Make(w.input())
	if !equality.Semantic.DeepEqual(p.Status, w.run.Status) {
		if w.dies("before the status is written") {
			return true
		}
		changed = true
		w.run.Status = p.Status
		if w.dies("after the status was written") {
			return true
		}
	}
	w.retries += len(p.Retries)
	if changed {
		for _, e := range p.Events {
			kind := "event"
			if e.Severity == decision.Warning {
				kind = "warning"
			}
			fmt.Fprintf(&w.story, "  %s %s: %s\n", kind, e.Reason, e.Message)
		}
	} else if len(p.Events) > 0 {
		w.t.Errorf("events without a change: %+v", p.Events)
	}
	for _, a := range p.Actions {
		if a.Expire {
			if !w.expired {
				fmt.Fprintf(&w.story, "  delete the run: %s\n", a.Reason)
			}
			w.expired = true
			continue
		}
		if a.Delete != nil {
			fmt.Fprintf(&w.story, "  delete Job %s: %s\n", a.Delete.Name, a.Reason)
			w.deleteJob(a.Delete.Name)
			changed = true
			continue
		}
		if w.cluster.Of(a.Create.Name).Job == nil {
			fmt.Fprintf(&w.story, "  create Job %s: %s\n", a.Create.Name, a.Reason)
			w.cluster.Create(a.Create, w.now)
			changed = true
		}
		if w.dies("after a Job was created") {
			return true
		}
	}
	return changed
}

// dies reports whether the operator is killed at a point.
func (w *world) dies(point string) bool { return w.crash != nil && w.crash(point) }

// step adds to the story what happens, plans until nothing changes, and adds what the operator did and the new status.
func (w *world) step(what string) {
	w.t.Helper()
	fmt.Fprintf(&w.story, "%s %s\n", w.now.Format("15:04:05"), what)
	for n := 0; w.reconcile(); n++ {
		if n > 20 {
			w.t.Fatal("the plan does not settle")
		}
	}
	if p := Make(w.input()); len(p.Events) > 0 || !equality.Semantic.DeepEqual(p.Status, w.run.Status) {
		w.t.Errorf("another plan changes something: %+v", p)
	}
	w.tellStatus()
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

// tellStatus adds the run's status to the story, without the conditions that say that nothing is wrong.
func (w *world) tellStatus() {
	s := w.run.Status
	fmt.Fprintf(&w.story, "  = %s, done %s, epochs %s", s.Phase, s.Done, s.Progress)
	if b := s.Best; b != nil {
		fmt.Fprintf(&w.story, ", best %s %s", b.Trial, b.AUCPR)
		if b.Provisional {
			w.story.WriteString(" so far")
		}
	}
	w.story.WriteString("\n")
	for _, t := range s.Trials {
		fmt.Fprintf(&w.story, "    %s attempt %d %s/%s", t.Name, t.Attempt, t.Phase, t.Reason)
		if t.Message != "" {
			fmt.Fprintf(&w.story, ": %s", t.Message)
		}
		w.story.WriteString("\n")
		if t.Cost != nil && len(t.Attempts) > 1 {
			fmt.Fprintf(&w.story, "      cost %d s, %d s of them lost\n", t.Cost.PodSeconds, t.Cost.LostSeconds)
		}
		if c := t.Cohort; c != nil && c.Cost != "" {
			fmt.Fprintf(&w.story, "      stopping it would have cost %s of AUC-PR\n", c.Cost)
		}
	}
	c := meta.FindStatusCondition(s.Conditions, api.ConditionRunning)
	if s.CompletionTime == nil && !trainsOrWaits(s.Trials) {
		fmt.Fprintf(&w.story, "    Running=%s %s: %s\n", c.Status, c.Reason, c.Message)
	}
	for _, c := range s.Conditions {
		if worthTelling(c, s.CompletionTime != nil) {
			fmt.Fprintf(&w.story, "    %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
}

// worthTelling reports whether a story shows a condition: the end of a run, its best once it has ended, and every
// condition that says that something is wrong.
func worthTelling(c metav1.Condition, ended bool) bool {
	isTrue := c.Status == metav1.ConditionTrue
	switch c.Type {
	case api.ConditionRunning:
		return false
	case api.ConditionBestSelected:
		return ended
	case api.ConditionFailed:
		return isTrue
	case api.ConditionSucceeded:
		return true
	default:
		return !isTrue
	}
}

// trainsOrWaits reports whether some trial has not ended, so that the lines of the trials say what the run does.
func trainsOrWaits(trials []api.TrialStatus) bool {
	return slices.ContainsFunc(trials, func(t api.TrialStatus) bool { return !t.Phase.Terminal() })
}

func (w *world) schedule() { w.cluster.Schedule(w.now) }

func (w *world) pod(trial string) *corev1.Pod {
	for _, t := range w.run.Status.Trials {
		if t.Name == trial {
			if a := w.cluster.Of(JobName(w.run.Name, trial, t.Attempt)); a.Pod != nil {
				return a.Pod
			}
		}
	}
	w.t.Fatalf("%s has no pod", trial)
	return nil
}

// report adds the report of an epoch by a trial's newest attempt.
func (w *world) report(trial string, epoch int, aucPR float64) {
	r := w.reports.Trials[trial]
	for _, t := range w.run.Status.Trials {
		if t.Name == trial {
			r.Attempt = int(t.Attempt)
		}
	}
	m := ledger.Measured{
		Epoch:   epoch,
		Seconds: 60,
		Metrics: wire.Metrics{AUCPR: aucPR, AUCPRLow: aucPR - 0.05, AUCPRHigh: aucPR + 0.05},
		Checkpoint: &wire.CheckpointRef{
			URI:    fmt.Sprintf("file:///checkpoints/%s/e%d", trial, epoch),
			Digest: "sha256:" + fmt.Sprint(epoch),
		},
	}
	r.Epoch, r.Epochs, r.Folded = epoch, 4, r.Folded+1
	r.Last, r.Curve = &m, append(r.Curve, m)
	if r.Best == nil || r.Best.Metrics.AUCPR < aucPR {
		r.Best = &m
	}
	w.reports.Trials[trial] = r
}

// finished adds the report that a trial's training is finished.
func (w *world) finished(trial string) {
	r := w.reports.Trials[trial]
	r.Finished, r.Folded = true, r.Folded+1
	w.reports.Trials[trial] = r
}

// finish adds all remaining reports of a trial, and ends its pod with exit code 0.
func (w *world) finish(trial string, epochs int) {
	for e := w.reports.Trials[trial].Epoch + 1; e <= epochs; e++ {
		w.report(trial, e, 0.5)
	}
	w.finished(trial)
	w.exit(trial, 0, "Completed", resultFinished)
}

func (w *world) job(trial string) *batchv1.Job {
	for _, t := range w.run.Status.Trials {
		if t.Name == trial {
			return w.cluster.Of(JobName(w.run.Name, trial, t.Attempt)).Job
		}
	}
	return nil
}

// exit ends a trial's pod, and its Job with it.
func (w *world) exit(trial string, code int32, reason string, result wire.Result) {
	w.cluster.Exit(w.pod(trial), code, reason, result, w.now)
}

func (w *world) deleteJob(job string) {
	if !w.cluster.Delete(job, w.now) {
		w.t.Fatalf("no Job %s", job)
	}
}

// saved removes every pod that is being stopped, as if it had written a checkpoint, ended with exit code 75 and been
// deleted.
func (w *world) saved() {
	w.cluster.Pods = slices.DeleteFunc(w.cluster.Pods, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

// began adds the first report of a trial's newest attempt, which resumed from an epoch.
func (w *world) began(trial string, from int) {
	r := w.reports.Trials[trial]
	for _, t := range w.run.Status.Trials {
		if t.Name == trial {
			r.Attempt = int(t.Attempt)
		}
	}
	r.Attempts = maps.Clone(r.Attempts)
	if r.Attempts == nil {
		r.Attempts = map[int]ledger.AttemptReports{}
	}
	r.Attempts[r.Attempt] = ledger.AttemptReports{From: from, Epoch: from}
	r.Epochs, r.Folded = 4, r.Folded+1
	w.reports.Trials[trial] = r
}

func (w *world) remove(job string, podLingers bool) {
	if !w.cluster.Remove(job, podLingers) {
		w.t.Fatalf("no Job %s", job)
	}
}

// oneAttemptAtATime fails the test if a trial has two Jobs that have not ended.
func (w *world) oneAttemptAtATime() {
	alive := map[string]string{}
	for _, j := range w.cluster.Jobs {
		if _, ended := attempt.JobEnded(j); ended {
			continue
		}
		trial := j.Labels[api.LabelTrial]
		if other := alive[trial]; other != "" {
			w.t.Fatalf("two attempts have not ended: %s and %s", other, j.Name)
		}
		alive[trial] = j.Name
	}
}

// Termination messages of pods.
var (
	resultFinished    = wire.Result{Reason: "Finished"}
	resultInterrupted = wire.Result{Reason: "Interrupted", Message: "stopped by SIGTERM"}
	resultDiverged    = wire.Result{Reason: "Diverged", Message: "the loss was not finite for 50 steps"}
	resultNoLabels    = wire.Result{Reason: "BadData", Message: "no labels"}
)

var errNoCredential = errors.New("the credential cannot be created: secrets \"erasers-nats-11111111\" is forbidden")
