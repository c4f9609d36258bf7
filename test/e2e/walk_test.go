package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

const namespace = "walk"

// TestWalk runs the whole sweep at toy size: once undisturbed and once under each disturbance. Every disturbed run must end with the
// very metrics of the undisturbed one: same seed, same data, same threads, nothing lost and nothing done twice.
func TestWalk(t *testing.T) {
	prepareNamespace(t)
	calm := walk(t, "calm", nil)
	t.Run("promote", func(t *testing.T) { promote(t, calm) })
	t.Run("as a Kubernetes user sees it", func(t *testing.T) { lookAround(t, calm) })
	disturbances := map[string]func(*testing.T, client.ObjectKey){
		"operator-killed": killOperator,
		"nats-away":       stopNATS,
		"trial-killed":    killTrial,
	}
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			got := walk(t, name, disturb)
			for i, want := range calm.Status.Trials {
				if a, b := metricsOf(want), metricsOf(got.Status.Trials[i]); a != b {
					t.Errorf("%s differs from the undisturbed run's:\nwant %s\ngot  %s", want.Name, a, b)
				}
			}
			if a, b := got.Status.Best, calm.Status.Best; a.Trial != b.Trial || a.Epoch != b.Epoch || a.AUCPR != b.AUCPR {
				t.Errorf("best is %s epoch %d at %s, the undisturbed run's was %s epoch %d at %s", a.Trial, a.Epoch, a.AUCPR, b.Trial, b.Epoch, b.AUCPR)
			}
		})
	}
}

// walk applies a run, disturbs it, waits for its end and checks everything that must hold of any run that succeeded.
func walk(t *testing.T, name string, disturb func(*testing.T, client.ObjectKey)) *v1alpha1.TrainingRun {
	t.Helper()
	key := client.ObjectKey{Namespace: namespace, Name: name}
	begin := time.Now()
	apply(t, toyRun(name))
	if disturb != nil {
		disturb(t, key)
	}
	t.Cleanup(func() { removeCheckpoints(t, key) })
	run := awaitRun(t, key, "end of "+name, func(r *v1alpha1.TrainingRun) bool { return r.Status.CompletionTime != nil })
	t.Logf("%s ended after %.0f s", name, time.Since(begin).Seconds())
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Done != "5/5" || len(run.Status.Trials) != 5 {
		t.Fatalf("phase %s, done %s:\n%s", run.Status.Phase, run.Status.Done, encodeStatus(run))
	}
	reports := streamOf(t, string(run.UID))
	want, ok := pick(reports)
	best := run.Status.Best
	if !ok || best == nil || best.Provisional {
		t.Fatalf("no final best: %s", encodeStatus(run))
	}
	if best.Trial != want.Trial || int(best.Epoch) != want.Epoch || best.Checkpoint.Digest != want.Checkpoint.Digest {
		t.Errorf("best is %s epoch %d %s; recomputed from the stream it is %s epoch %d %s",
			best.Trial, best.Epoch, best.Checkpoint.Digest, want.Trial, want.Epoch, want.Checkpoint.Digest)
	}
	var seen int
	for _, trial := range run.Status.Trials {
		seen += int(trial.ReportsSeen)
		if trial.Phase != v1alpha1.TrialSucceeded || trial.Best == nil || trial.Test == nil || trial.Gaps != 0 || trial.Epoch != trial.Epochs {
			t.Errorf("%s: phase %s, epoch %d/%d, gaps %d, best %v, test %v", trial.Name, trial.Phase, trial.Epoch, trial.Epochs, trial.Gaps, trial.Best, trial.Test)
			continue
		}
		if _, err := os.Stat(filepath.Join(hostPath(trial.Best.Checkpoint.URI), "manifest.json")); err != nil {
			t.Errorf("%s: its best checkpoint is not there: %v", trial.Name, err)
		}
	}
	if distinct := countDistinct(reports); seen != distinct {
		t.Errorf("status counts %d reports, the stream holds %d different ones", seen, distinct)
	}
	return run
}

// removeCheckpoints keeps the disk small: a sweep leaves some five gigabytes. The undisturbed run's go when its subtests are done.
func removeCheckpoints(t *testing.T, key client.ObjectKey) {
	var run v1alpha1.TrainingRun
	if err := cluster.client.Get(context.Background(), key, &run); err == nil {
		os.RemoveAll(filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID)))
	}
}

func killOperator(t *testing.T, key client.ObjectKey) {
	for round := range 2 {
		awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 2*round })
		kill(t, "plumbline-operator", cluster.state)
	}
}

func stopNATS(t *testing.T, key client.ObjectKey) {
	awaitRun(t, key, "a first epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 0 })
	run := awaitRun(t, key, "a uid", func(r *v1alpha1.TrainingRun) bool { return r.UID != "" })
	localcluster(t, "stop", "nats")
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID))
	before := manifests(t, store)
	eventually(t, "checkpoints that are written while NATS is away", func() bool { return len(manifests(t, store)) > len(before)+2 })
	localcluster(t, "start", "nats")
}

func killTrial(t *testing.T, key client.ObjectKey) {
	var pod, name string
	begun := awaitRun(t, key, "an epoch of a trial that goes on", func(r *v1alpha1.TrainingRun) bool {
		for _, trial := range r.Status.Trials {
			if trial.Epoch >= 1 && trial.Epoch < trial.Epochs && trial.Phase == v1alpha1.TrialRunning && trial.Depth >= 101 {
				pod, name = trial.Pod, trial.Name
				return true
			}
		}
		return false
	})
	// The report names the best checkpoint; the one to go on from is written behind it.
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(begun.UID), name)
	eventually(t, "checkpoint to go on from", func() bool {
		found, _ := filepath.Glob(filepath.Join(store, "*", "resume-*", "manifest.json"))
		return len(found) > 0
	})
	kill(t, "plumbline-trainer", pod)
	run := awaitRun(t, key, "the second attempt", func(r *v1alpha1.TrainingRun) bool {
		for _, trial := range r.Status.Trials {
			if trial.Attempt == 2 {
				return true
			}
		}
		return false
	})
	if trial := trialOf(t, run, name); trial.Attempt != 2 || trial.Retries != 1 || trial.Interruptions != 0 || trial.Attempts[0].Class != "Crashed" {
		t.Errorf("a trial that nobody asked to end has crashed, and that is a retry: %+v", trial)
	}
	t.Cleanup(func() {
		for _, r := range streamOf(t, string(run.UID)) {
			if r.Kind == "resumed" && r.Epoch >= 1 {
				return
			}
		}
		t.Errorf("no attempt went on from a checkpoint")
	})
}

// kill ends the processes of a program whose environment has a given word, the way a crash would: SIGKILL, no last words.
func kill(t *testing.T, program, word string) {
	t.Helper()
	killed := 0
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if filepath.Base(exe) != program || !strings.Contains(string(env), word) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed == 0 {
		t.Fatalf("no process of %s with %q to kill", program, word)
	}
}

// eventually waits for something that sends no event, such as a file.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(4 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s in time", what)
		}
	}
}

func manifests(t *testing.T, store string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(store, "*", "*", "*", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func finishedEpochs(r *v1alpha1.TrainingRun) (n int) {
	for _, trial := range r.Status.Trials {
		n += int(trial.Epoch)
	}
	return n
}

// metricsOf is what must not depend on what happened on the way.
func metricsOf(t v1alpha1.TrialStatus) string {
	if t.Best == nil || t.Last == nil || t.Test == nil {
		return "incomplete"
	}
	b, _ := json.Marshal([]any{t.Best.Epoch, t.Best.Metrics, t.Last, t.Test, t.Curve})
	return string(b)
}

func encodeStatus(r *v1alpha1.TrainingRun) string {
	b, _ := json.MarshalIndent(r.Status, "", "  ")
	return fmt.Sprintf("%s %s: %s", r.Namespace, r.Name, b)
}
