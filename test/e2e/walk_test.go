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

// TestTheWholeSweepEndsTheSameAfterEachKill trains the whole sweep at toy size: once undisturbed, and once with each
// disturbance. Seed, data and threads are the same, so every disturbed run must end with exactly the metrics of the
// undisturbed one: nothing is lost and nothing is done twice. The undisturbed run is also promoted.
func TestTheWholeSweepEndsTheSameAfterEachKill(t *testing.T) {
	prepareNamespace(t)
	calm := trainSweep(t, "calm", nil)
	t.Run("promote", func(t *testing.T) { promote(t, calm) })
	t.Run("as a Kubernetes user sees it", func(t *testing.T) { inspectWithKubectl(t, calm) })
	// A disturbance returns while the run that it disturbed still trains.
	disturbances := map[string]func(*testing.T, client.ObjectKey){
		"operator-killed": killOperator,
		"nats-away":       stopNATS,
		"trial-killed":    killTrial,
	}
	for name, disturb := range disturbances {
		t.Run(name, func(t *testing.T) {
			got := trainSweep(t, name, disturb)
			for i, want := range calm.Status.Trials {
				if a, b := metricsOf(want), metricsOf(got.Status.Trials[i]); a != b {
					t.Errorf("%s differs from the undisturbed run's:\nwant %s\ngot  %s", want.Name, a, b)
				}
			}
			a, b := got.Status.Best, calm.Status.Best
			if a.Trial != b.Trial || a.Epoch != b.Epoch || a.AUCPR != b.AUCPR {
				t.Errorf("best is %s epoch %d at %s, the undisturbed run's was %s epoch %d at %s",
					a.Trial, a.Epoch, a.AUCPR, b.Trial, b.Epoch, b.AUCPR)
			}
		})
	}
}

// trainSweep applies a run, disturbs it, waits for its end and checks what must hold for every run that succeeded. It
// returns the run.
func trainSweep(t *testing.T, name string, disturb func(*testing.T, client.ObjectKey)) *v1alpha1.TrainingRun {
	t.Helper()
	key := client.ObjectKey{Namespace: namespace, Name: name}
	begin := time.Now()
	apply(t, toyRun(name))
	if disturb != nil {
		disturb(t, key)
	}
	t.Cleanup(func() { removeCheckpoints(t, key) })
	run := awaitRun(t, key, "end of "+name, ended)
	t.Logf("%s ended after %.0f s", name, time.Since(begin).Seconds())
	if run.Status.Phase != v1alpha1.RunSucceeded || run.Status.Done != "5/5" || len(run.Status.Trials) != 5 {
		t.Fatalf("phase %s, done %s:\n%s", run.Status.Phase, run.Status.Done, encodeStatus(run))
	}
	reports := streamOf(t, string(run.UID))
	want, ok := selectBest(reports)
	best := run.Status.Best
	if !ok || best == nil || best.Provisional {
		t.Fatalf("no final best: %s", encodeStatus(run))
	}
	sameEpoch := best.Trial == want.Trial && int(best.Epoch) == want.Epoch
	if !sameEpoch || best.Checkpoint.Digest != want.Checkpoint.Digest {
		t.Errorf("best is %s epoch %d %s; recomputed from the stream it is %s epoch %d %s",
			best.Trial, best.Epoch, best.Checkpoint.Digest, want.Trial, want.Epoch, want.Checkpoint.Digest)
	}
	var seen int
	for _, trial := range run.Status.Trials {
		seen += int(trial.ReportsSeen)
		complete := trial.Epoch == trial.Epochs && trial.Best != nil && trial.Test != nil && trial.Gaps == 0
		if trial.Phase != v1alpha1.TrialSucceeded || !complete {
			t.Errorf("%s: phase %s, epoch %d/%d, gaps %d, best %v, test %v",
				trial.Name, trial.Phase, trial.Epoch, trial.Epochs, trial.Gaps, trial.Best, trial.Test)
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

// removeCheckpoints deletes a run's checkpoints, of which a sweep leaves some five gigabytes. Those of the undisturbed
// run stay until the subtests that need them have ended.
func removeCheckpoints(t *testing.T, key client.ObjectKey) {
	var run v1alpha1.TrainingRun
	if err := cluster.client.Get(context.Background(), key, &run); err == nil {
		os.RemoveAll(filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID)))
	}
}

// killOperator kills the operator twice while the run trains.
func killOperator(t *testing.T, key client.ObjectKey) {
	for round := range 2 {
		awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 2*round })
		kill(t, "plumbline-operator", cluster.state)
	}
}

// stopNATS stops NATS until the run has written three more checkpoints.
func stopNATS(t *testing.T, key client.ObjectKey) {
	awaitRun(t, key, "a first epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 0 })
	run := awaitRun(t, key, "a uid", func(r *v1alpha1.TrainingRun) bool { return r.UID != "" })
	localcluster(t, "stop", "nats")
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(run.UID))
	before := manifests(t, store)
	eventually(t, "checkpoints that are written while NATS is away", func() bool {
		return len(manifests(t, store)) > len(before)+2
	})
	localcluster(t, "start", "nats")
}

// killTrial kills a trainer that has committed a checkpoint and has epochs left. Deep networks train long enough for
// that.
func killTrial(t *testing.T, key client.ObjectKey) {
	var pod, name string
	begun := awaitRun(t, key, "an epoch of a trial that has epochs left", func(r *v1alpha1.TrainingRun) bool {
		for _, trial := range r.Status.Trials {
			underway := trial.Epoch >= 1 && trial.Epoch < trial.Epochs && trial.Phase == v1alpha1.TrialRunning
			if underway && trial.Depth >= 101 {
				pod, name = trial.Pod, trial.Name
				return true
			}
		}
		return false
	})
	// The report of an epoch names the best checkpoint. The trainer writes the resume checkpoint after that report.
	store := filepath.Join(cluster.state, "volumes", "checkpoints", string(begun.UID), name)
	eventually(t, "checkpoint to resume from", func() bool {
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
	trial := trialOf(t, run, name)
	counts := attempts(trial.Attempt, trial.Retries, trial.Interruptions)
	if counts != attempts(2, 1, 0) || trial.Attempts[0].Class != "Crashed" {
		t.Errorf("want a crash and a retry, because the trial was killed and not asked to end: %+v", trial)
	}
	t.Cleanup(func() {
		for _, r := range streamOf(t, string(run.UID)) {
			if r.Kind == "resumed" && r.Epoch >= 1 {
				return
			}
		}
		t.Errorf("no attempt resumed from a checkpoint")
	})
}

// kill sends SIGKILL to the processes of a program whose environment contains word. They cannot save or report
// anything, as in a crash.
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

// eventually blocks until holds returns true, and fails the test after four minutes. It polls, so it is for what cannot
// be watched, such as a file. awaited names what the test waits for in the message.
func eventually(t *testing.T, awaited string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(4 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s in time", awaited)
		}
	}
}

// manifests returns the manifests of the checkpoints below a run's directory.
func manifests(t *testing.T, store string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(store, "*", "*", "*", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// finishedEpochs returns the number of epochs that all trials together have reported.
func finishedEpochs(r *v1alpha1.TrainingRun) (n int) {
	for _, trial := range r.Status.Trials {
		n += int(trial.Epoch)
	}
	return n
}

// metricsOf returns the metrics of a trial that no disturbance may change, as JSON.
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
