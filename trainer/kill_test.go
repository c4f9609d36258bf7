package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"plumbline.dev/plumbline/wire"
)

// asProgram is an environment variable. With it this test's binary acts as the trainer, so that there is a process to
// kill.
const asProgram = "PLUMBLINE_TEST_AS_TRAINER"

// kills is how many processes the test kills at least. The environment variable PLUMBLINE_KILLS changes it.
const kills = 20

// maxKills is how many processes of one trial are killed at most, so that the trial ends some time.
const maxKills = 7

// Processes of a trial are killed at random moments. Weights, the optimizer's memory and the best must then be the same
// bytes as those of an undisturbed trial. Every setting that has a state is on: averages, AdamW, parts of batches,
// augmentation, patience.
func TestATrialKilledAtAnyMomentEndsInTheSameBytes(t *testing.T) {
	want := kills
	if n, err := strconv.Atoi(os.Getenv("PLUMBLINE_KILLS")); err == nil {
		want = n
	}
	trial := func(store string) wire.Trial {
		tr := toyTrial(t, store, "")
		h := &tr.Hyperparameters
		h.Epochs, h.Accumulate, h.EMA, h.Patience = 5, 2, 0.9, 4
		h.Augment = wire.Augment{Shift: 0.05, Rotate: 5, Gain: 0.1, Offset: 0.1, ChannelDropout: 0.1, Noise: 0.05}
		return tr
	}
	undisturbed := t.TempDir()
	if p := runProcess(t, trial(undisturbed), 0); p.killed() {
		t.Fatalf("the undisturbed trial: %s", p)
	}
	expected := readOutcome(t, undisturbed)

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	killed, finished := 0, 0
	for killed < want {
		store := t.TempDir()
		tr := trial(store)
		for ; ; tr.Attempt++ {
			// Some die while they start or read the data, most while they train, validate or write. The last one lives.
			lines := 1 + random.IntN(5)
			if tr.Attempt > maxKills {
				lines = 0
			}
			p := runProcess(t, tr, lines, time.Duration(random.IntN(2000))*time.Millisecond)
			if !p.killed() {
				break
			}
			killed++
		}
		finished++
		for name, got := range readOutcome(t, store) {
			if !bytes.Equal(got, expected[name]) {
				t.Errorf("%s differs from that of an undisturbed trial, after %d attempts (seed %d)",
					name, tr.Attempt, seed)
			}
		}
		os.RemoveAll(store)
	}
	t.Logf("%d processes were killed, %d trials finished", killed, finished)
}

// process is an ended process of the trainer.
type process struct {
	err error
	log string
}

func (p process) killed() bool   { return p.err != nil }
func (p process) String() string { return fmt.Sprintf("%v\n%s", p.err, p.log) }

// runProcess runs a trial in a separate process. If lines is above 0 it kills the process: after[0] later than the
// process has logged that many lines of level INFO. The test fails if the process fails without having been killed.
func runProcess(t *testing.T, tr wire.Trial, lines int, after ...time.Duration) process {
	t.Helper()
	text, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "run")
	cmd.Env = append(os.Environ(), asProgram+"=1", wire.EnvTrial+"="+string(text),
		fmt.Sprintf("%s=pod%d", wire.EnvPodUID, tr.Attempt))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	seen, shot := 0, false
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		line := scanner.Text()
		log.WriteString(line + "\n")
		if !strings.Contains(line, "level=INFO") {
			continue
		}
		if seen++; seen == lines {
			shot = true
			time.AfterFunc(after[0], func() { cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	p := process{err, log.String()}
	if code := cmd.ProcessState.ExitCode(); err != nil && (code != -1 || !shot) {
		t.Fatalf("attempt %d failed although it was not killed: %s", tr.Attempt, p)
	}
	return p
}

// readOutcome reads what a trial has left: the files of its last resume checkpoint and of its last best.
func readOutcome(t *testing.T, store string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, pattern := range map[string]string{
		"weights": "resume-e0005-s*/" + wire.WeightsFile,
		"memory":  "resume-e0005-s*/" + wire.SlotsFile,
	} {
		// Two attempts may both have trained to the end, if the first was killed before it could report that.
		found, err := filepath.Glob(filepath.Join(store, "run-uid/d18/*", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s in %s, error %v", pattern, store, err)
		}
		for _, path := range found {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if files[name] != nil && !bytes.Equal(files[name], b) {
				t.Errorf("two attempts ended in different %s", name)
			}
			files[name] = b
		}
	}
	manifests, err := filepath.Glob(filepath.Join(store, "run-uid/d18/*", "resume-e0005-s*/"+wire.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.DecodeManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	best, err := wire.LocalPath(m.Best.Checkpoint.URI)
	if err != nil {
		t.Fatal(err)
	}
	if files["best"], err = os.ReadFile(filepath.Join(best, wire.WeightsFile)); err != nil {
		t.Fatal(err)
	}
	return files
}
