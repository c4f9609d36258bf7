package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/dataset/synth"
	"plumbline.dev/plumbline/wire"
)

// These tests run the program as a pod does, on TensorFlow and JetStream, at toy size: depth 18, 32x32 pixels, two epochs.

// pod is one process of the trainer, as far as it can be told from inside.
type pod struct {
	code   int
	result wire.Result
	out    string
	log    string
}

// runPod runs one command line. after, which may be nil, is called with all of the log at each new line; its cancel is SIGTERM.
func runPod(t *testing.T, args []string, env map[string]string, result string, after func(log string, cancel func())) pod {
	t.Helper()
	return runPodThatWaits(t, time.Minute, args, env, result, after)
}

// runPodThatWaits waits so long for reports to be delivered.
func runPodThatWaits(t *testing.T, wait time.Duration, args []string, env map[string]string, result string, after func(log string, cancel func())) pod {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out bytes.Buffer
	log := &watched{after: func(text string) {
		if after != nil {
			after(text, cancel)
		}
	}}
	p := pod{code: execute(ctx, args, program{env: func(name string) string { return env[name] }, out: &out, err: log,
		drainLimits: drainLimits{finished: wait, failed: wait, interrupted: wait}})}
	p.out, p.log = out.String(), log.b.String()
	if text, err := os.ReadFile(result); err == nil {
		if p.result, err = wire.DecodeResult(text); err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		os.Remove(result)
	}
	return p
}

type watched struct {
	mu    sync.Mutex
	b     bytes.Buffer
	after func(string)
}

func (w *watched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(line)
	w.after(w.b.String())
	return len(line), nil
}

// easySet makes a small easy data set and says where it is.
var easySet = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "erasers")
	_, err := synth.Write(context.Background(), synth.Spec{
		Samples: 60, Prevalence: 0.4, MinSeverity: 0.9, Seed: 3, Size: 32, PackageSize: 5, Channels: []string{"GRAY", "NORMAL"},
	}, dir, false, nil)
	return dir, err
})

// shared lasts as long as the tests.
var shared string

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	var err error
	if shared, err = os.MkdirTemp("", "plumbline-trainer-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(shared)
	os.Exit(code)
}

func toyTrial(t *testing.T, store, url string) wire.Trial {
	t.Helper()
	data, err := easySet()
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	hyper, imbalance := wire.Recipe(wire.PresetDefault, false)
	hyper.Epochs, hyper.BatchSize, hyper.ImageSize, hyper.WarmupEpochs = 2, 8, 32, 1
	return wire.Trial{
		Version: wire.Version, Run: wire.Run{Namespace: "default", Name: "erasers", UID: "run-uid"}, Name: "d18", Depth: 18, Attempt: 1, Threads: 2,
		Dataset:         wire.Dataset{URI: wire.LocalURI(data), Split: wire.DefaultSplit()},
		Hyperparameters: hyper, Imbalance: imbalance,
		Checkpoint: wire.DefaultCheckpoint(wire.LocalURI(store)),
		Reports:    wire.Reports{URL: url},
		Scratch:    scratch, Result: filepath.Join(scratch, "termination-log"),
	}
}

func runTrialPod(t *testing.T, trial wire.Trial, after func(string, func()), env ...string) pod {
	t.Helper()
	variables := environment(t, trial)
	for i := 0; i+1 < len(env); i += 2 {
		variables[env[i]] = env[i+1]
	}
	return runPod(t, []string{"run"}, variables, trial.Result, after)
}

func environment(t *testing.T, trial wire.Trial) map[string]string {
	t.Helper()
	text, err := json.Marshal(trial)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{wire.EnvTrial: string(text), wire.EnvPodUID: fmt.Sprintf("pod%d", trial.Attempt)}
}

// stream is a JetStream with the stream of reports.
func stream(t *testing.T) (url string, reports func() []wire.Report) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server did not start")
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	str, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}})
	if err != nil {
		t.Fatal(err)
	}
	return s.ClientURL(), func() (all []wire.Report) {
		info, err := str.Info(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for n := uint64(1); n <= info.State.LastSeq; n++ {
			m, err := str.GetMsg(context.Background(), n)
			if err != nil {
				t.Fatal(err)
			}
			r, err := wire.DecodeReport(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
}

// undisturbed trains a trial to its end, once for all tests, and says where its checkpoints are.
func undisturbed(t *testing.T) (store string) {
	t.Helper()
	store = filepath.Join(shared, "store")
	calmOnce.Do(func() { calmPod = runTrialPod(t, toyTrial(t, store, ""), nil) })
	if p := calmPod; p.code != 0 || p.result.Reason != "Succeeded" || p.result.Epoch != 2 {
		t.Fatalf("exit %d, last word %+v\n%s", p.code, p.result, p.log)
	}
	return store
}

var (
	calmOnce sync.Once
	calmPod  pod
)

// A trial that SIGTERM interrupts and another attempt finishes leaves the same bytes as one that nobody disturbed.
func TestATrialOnTensorFlowGoesOnExactly(t *testing.T) {
	calm := undisturbed(t)
	url, reports := stream(t)
	store := t.TempDir()
	trial := toyTrial(t, store, url)
	first := runTrialPod(t, trial, func(log string, sigterm func()) {
		if strings.Contains(log, "epoch done") {
			sigterm()
		}
	})
	if first.code != wire.ExitInterrupted || first.result.Reason != "Interrupted" {
		t.Fatalf("exit %d, last word %+v, want an interruption\n%s", first.code, first.result, first.log)
	}
	trial.Attempt = 2
	if second := runTrialPod(t, trial, nil); second.code != 0 || !strings.Contains(second.log, "going on from a checkpoint") {
		t.Fatalf("exit %d, last word %+v\n%s", second.code, second.result, second.log)
	}

	for _, name := range []string{"resume-e0002-s*/" + wire.WeightsFile, "resume-e0002-s*/" + wire.SlotsFile} {
		want, got := onlyFile(t, calm, name), onlyFile(t, store, name)
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs between an undisturbed trial and an interrupted one", name)
		}
	}
	var kinds []string
	for _, r := range reports() {
		if r.Kind != wire.Heartbeat {
			kinds = append(kinds, fmt.Sprintf("%s:%d", r.Kind, r.Epoch))
		}
	}
	if got, want := strings.Join(kinds, " "), "started:0 epoch:1 resumed:1 started:0 epoch:1 epoch:2 finished:2"; got != want {
		t.Errorf("the stream holds %q, want %q", got, want)
	}
}

// Exit 0 says that every report is in the stream. A trial that cannot say so is interrupted, and its next attempt only tells.
func TestATrialWhoseReportsAreNotDeliveredHasNotSucceeded(t *testing.T) {
	store := undisturbed(t)
	away := toyTrial(t, store, "nats://127.0.0.1:1")
	away.Attempt = 2
	p := runPodThatWaits(t, time.Millisecond, []string{"run"}, environment(t, away), away.Result, nil)
	if p.code != wire.ExitInterrupted || p.result.Reason != "ReportsUndelivered" {
		t.Errorf("with NATS away: exit %d, last word %+v\n%s", p.code, p.result, p.log)
	}
	url, reports := stream(t)
	back := toyTrial(t, store, url)
	back.Attempt = 3
	if p := runTrialPod(t, back, nil); p.code != 0 || strings.Contains(p.log, "epoch done") {
		t.Errorf("with NATS back: exit %d, last word %+v\n%s", p.code, p.result, p.log)
	}
	var kinds []string
	for _, r := range reports() {
		kinds = append(kinds, fmt.Sprintf("%s:%d", r.Kind, r.Epoch))
	}
	if got, want := strings.Join(kinds, " "), "resumed:2 started:0 epoch:1 epoch:2 finished:2"; got != want {
		t.Errorf("the stream holds %q, want %q", got, want)
	}
}

func onlyFile(t *testing.T, store, name string) []byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(store, "run-uid/d18/*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files are named %s, error %v", len(found), name, err)
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatCannotBeTrainedEndsAtOnceInWords(t *testing.T) {
	data, err := easySet()
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.CopyFS(damaged, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(damaged, "images/GRAY/e0007.png")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change     func(*wire.Trial)
		code       int
		reason     string
		where, say string
	}{
		"an image is missing": {func(tr *wire.Trial) { tr.Dataset.URI = wire.LocalURI(damaged) },
			wire.ExitData, "BadData", filepath.Join(damaged, "labels.csv") + ":8", "e0007"},
		"the data set is not there": {func(tr *wire.Trial) { tr.Dataset.URI = "file:///nowhere/erasers" },
			wire.ExitNoInput, "NoInput", "/nowhere/erasers", "is not there"},
		"the corrections are not there": {func(tr *wire.Trial) { tr.Dataset.Corrections = "file:///nowhere/corrections.csv" },
			wire.ExitNoInput, "NoInput", "/nowhere/corrections.csv", "is not there"},
		"a setting that cannot be obeyed": {func(tr *wire.Trial) { tr.Hyperparameters.BatchSize = 1 },
			wire.ExitSettings, "BadSettings", "", "batchSize 1 is below 2"},
		"a split that leaves a fold without defects": {func(tr *wire.Trial) { tr.Dataset.Split.Test = 0.01 },
			wire.ExitData, "BadData", data, "test part"},
		"a GPU was promised": {func(tr *wire.Trial) { tr.GPU = true },
			wire.ExitDevice, "NoDevice", "", "a GPU was requested"},
		"the store cannot be written": {func(tr *wire.Trial) { tr.Checkpoint.URI = wire.LocalURI(filepath.Join(data, "labels.csv")) },
			wire.ExitStore, "StoreFailed", wire.LocalURI(filepath.Join(data, "labels.csv")), "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			trial := toyTrial(t, t.TempDir(), "")
			test.change(&trial)
			p := runTrialPod(t, trial, nil)
			if p.code != test.code || p.result.Reason != test.reason || p.result.Where != test.where || !strings.Contains(p.result.Message, test.say) {
				t.Errorf("exit %d, last word %+v, want exit %d, %s at %s: …%s…", p.code, p.result, test.code, test.reason, test.where, test.say)
			}
		})
	}
	if p := runPod(t, []string{"run"}, nil, "", nil); p.code != wire.ExitSettings {
		t.Errorf("without %s: exit %d, want %d", wire.EnvTrial, p.code, wire.ExitSettings)
	}
	if p := runPod(t, []string{"fit", "--depht", "18"}, nil, "", nil); p.code != wire.ExitSettings || !strings.Contains(p.log, "unknown flag") {
		t.Errorf("a mistyped flag: exit %d\n%s", p.code, p.log)
	}
}

func TestASimulatedGPUIsTrainedWithoutOne(t *testing.T) {
	trial := toyTrial(t, t.TempDir(), "")
	trial.GPU = true
	p := runTrialPod(t, trial, func(log string, sigterm func()) {
		if strings.Contains(log, "msg=beginning ") {
			sigterm() // it came past the check
		}
	}, wire.EnvSimulatedGPU, "1")
	if p.code != wire.ExitInterrupted {
		t.Errorf("exit %d, last word %+v, want an interruption\n%s", p.code, p.result, p.log)
	}
}
