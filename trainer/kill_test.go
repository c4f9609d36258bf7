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

// asProgram makes this test's binary the trainer itself, so that there is a process to kill.
const asProgram = "PLUMBLINE_TEST_AS_TRAINER"

// kills is how many processes must have died by SIGKILL; PLUMBLINE_KILLS asks for more of them.
const kills = 20

// killsEach trial at most: it must come to its end some time.
const killsEach = 7

// Processes of a trial are killed at moments of chance; whatever the moment, the weights, the
// optimizer's memory and the best come out as the bytes of a trial that nobody disturbed. Everything that could be forgotten is on:
// averages, AdamW, parts of batches, augmentation, patience.
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
	calm := t.TempDir()
	if life := live(t, trial(calm), 0); life.killed() {
		t.Fatalf("the undisturbed trial: %s", life)
	}
	expected := outcome(t, calm)

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	killed, finished := 0, 0
	for killed < want {
		store := t.TempDir()
		tr := trial(store)
		for ; ; tr.Attempt++ {
			// Some die while they start or read the data; most while they train, validate, or write. The last is left alone.
			lines := 1 + random.IntN(5)
			if tr.Attempt > killsEach {
				lines = 0
			}
			life := live(t, tr, lines, time.Duration(random.IntN(2000))*time.Millisecond)
			if !life.killed() {
				break
			}
			killed++
		}
		finished++
		for name, got := range outcome(t, store) {
			if !bytes.Equal(got, expected[name]) {
				t.Errorf("%s differs from an undisturbed trial's after %d attempts (seed %d)", name, tr.Attempt, seed)
			}
		}
		os.RemoveAll(store)
	}
	t.Logf("%d processes were killed, %d trials ended", killed, finished)
}

// life is one process of the trainer.
type life struct {
	err error
	log string
}

func (l life) killed() bool   { return l.err != nil }
func (l life) String() string { return fmt.Sprintf("%v\n%s", l.err, l.log) }

// live runs a trial in a process of its own. With a number of lines it is killed so long after it has logged that many of them that
// tell of progress; one that ends otherwise than by that, and not well, fails the test.
func live(t *testing.T, tr wire.Trial, lines int, after ...time.Duration) life {
	t.Helper()
	text, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "run")
	cmd.Env = append(os.Environ(), asProgram+"=1", wire.EnvTrial+"="+string(text), fmt.Sprintf("%s=pod%d", wire.EnvPodUID, tr.Attempt))
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
	l := life{err, log.String()}
	if code := cmd.ProcessState.ExitCode(); err != nil && (code != -1 || !shot) {
		t.Fatalf("attempt %d ended by itself: %s", tr.Attempt, l)
	}
	return l
}

// outcome is what a trial leaves: the last resume checkpoint and the last best.
func outcome(t *testing.T, store string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, pattern := range map[string]string{
		"weights": "resume-e0005-s*/" + wire.WeightsFile, "memory": "resume-e0005-s*/" + wire.SlotsFile,
	} {
		// Two attempts may both have come to the end: the first could have been killed before it said so.
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
