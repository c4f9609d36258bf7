package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// These tests run the program as a pod does, with TensorFlow and JetStream, at toy size: depth 18, 32x32 pixels, two
// epochs.

// pod is the result of one command line.
type pod struct {
	code   int
	result wire.Result // what the pod wrote as its termination message
	out    string
	log    string
}

// expect checks how the pod ended: its exit code, the reason of its result, and a part of the result's message.
func (p pod) expect(t *testing.T, code int, reason, message string) {
	t.Helper()
	if p.code != code || p.result.Reason != reason || !strings.Contains(p.result.Message, message) {
		t.Errorf("exit %d, result %+v, want exit %d, %s, and a message with %q\n%s",
			p.code, p.result, code, reason, message, p.log)
	}
}

// expectLog checks the exit code and a part of the log.
func (p pod) expectLog(t *testing.T, code int, log string) {
	t.Helper()
	if p.code != code || !strings.Contains(p.log, log) {
		t.Errorf("exit %d and the log %q, want exit %d and a log with %q", p.code, p.log, code, log)
	}
}

// runVerb runs one command line without environment.
func runVerb(t *testing.T, args ...string) pod {
	t.Helper()
	return runPod(t, args, nil, "", nil)
}

// observer is called after each new line with the whole log. sigterm acts on the pod as SIGTERM would.
type observer func(log string, sigterm func())

// runPod runs one command line. result is the file of the pod's result. after may be nil.
func runPod(t *testing.T, args []string, env map[string]string, result string, after observer) pod {
	t.Helper()
	return runPodThatWaits(t, time.Minute, args, env, result, after)
}

// runPodThatWaits is runPod with a limit on how long the pod waits for its reports to be delivered.
func runPodThatWaits(
	t *testing.T, wait time.Duration, args []string, env map[string]string, result string, after observer,
) pod {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out bytes.Buffer
	log := &observedLog{after: func(text string) {
		if after != nil {
			after(text, cancel)
		}
	}}
	code := execute(ctx, args, program{
		env:         func(name string) string { return env[name] },
		out:         &out,
		err:         log,
		drainLimits: drainLimits{finished: wait, failed: wait, interrupted: wait},
	})
	p := pod{code: code, out: out.String(), log: log.b.String()}
	if text, err := os.ReadFile(result); err == nil {
		if p.result, err = wire.DecodeResult(text); err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		os.Remove(result)
	}
	return p
}

// observedLog is a log whose writer calls a function after each line.
type observedLog struct {
	mu    sync.Mutex
	b     bytes.Buffer
	after func(string)
}

func (w *observedLog) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(line)
	w.after(w.b.String())
	return len(line), nil
}

// easySet makes a small data set that is easy to learn, once for all tests, and returns its directory.
var easySet = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "erasers")
	_, err := synth.Write(context.Background(), synth.Spec{
		Samples:     60,
		Prevalence:  0.4,
		MinSeverity: 0.9,
		Seed:        3,
		Size:        32,
		PackageSize: 5,
		Channels:    []string{"GRAY", "NORMAL"},
	}, dir, false, nil)
	return dir, err
})

// shared is a directory that exists as long as the tests run.
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

// toyTrial returns a trial of two epochs on the easy data set. store is the directory for checkpoints, and url is the
// NATS server's address, or empty.
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
		Version:         wire.Version,
		Run:             wire.Run{Namespace: "default", Name: "erasers", UID: "run-uid"},
		Name:            "d18",
		Depth:           18,
		Attempt:         1,
		Threads:         2,
		Dataset:         wire.Dataset{URI: wire.LocalURI(data), Split: wire.DefaultSplit()},
		Hyperparameters: hyper,
		Imbalance:       imbalance,
		Checkpoint:      wire.DefaultCheckpointSettings(wire.LocalURI(store)),
		Reports:         wire.ReportSettings{URL: url},
		Scratch:         scratch,
		Result:          filepath.Join(scratch, "termination-log"),
	}
}

// runTrialPod runs a trial as its pod would. env holds further environment variables: names and values by turns.
func runTrialPod(t *testing.T, trial wire.Trial, after observer, env ...string) pod {
	t.Helper()
	variables := environment(t, trial)
	for i := 0; i+1 < len(env); i += 2 {
		variables[env[i]] = env[i+1]
	}
	return runPod(t, []string{"run"}, variables, trial.Result, after)
}

// environment returns the environment of a trial's pod.
func environment(t *testing.T, trial wire.Trial) map[string]string {
	t.Helper()
	text, err := json.Marshal(trial)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{wire.EnvTrial: string(text), wire.EnvPodUID: fmt.Sprintf("pod%d", trial.Attempt)}
}

// stream starts a NATS server with the stream of reports. It returns the server's address and a function that reads all
// reports.
func stream(t *testing.T) (url string, reports func() []wire.Report) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		NoLog:     true,
		NoSigs:    true,
		JetStream: true,
		StoreDir:  t.TempDir(),
	})
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
	config := jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}
	str, err := js.CreateStream(ctx, config)
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

// undisturbed trains a trial to its end, once for all tests, and returns the directory of its checkpoints.
func undisturbed(t *testing.T) (store string) {
	t.Helper()
	store = filepath.Join(shared, "store")
	undisturbedOnce.Do(func() { undisturbedPod = runTrialPod(t, toyTrial(t, store, ""), nil) })
	if p := undisturbedPod; p.code != 0 || p.result.Reason != "Succeeded" || p.result.Epoch != 2 {
		t.Fatalf("exit %d, result %+v\n%s", p.code, p.result, p.log)
	}
	return store
}

var (
	undisturbedOnce sync.Once
	undisturbedPod  pod
)

// A trial that SIGTERM interrupts and that another attempt finishes leaves the same bytes as an undisturbed one.
func TestATrialOnTensorFlowResumesExactly(t *testing.T) {
	undisturbedStore := undisturbed(t)
	url, reports := stream(t)
	store := t.TempDir()
	trial := toyTrial(t, store, url)
	first := runTrialPod(t, trial, func(log string, sigterm func()) {
		if strings.Contains(log, "epoch done") {
			sigterm()
		}
	})
	if first.code != wire.ExitInterrupted || first.result.Reason != "Interrupted" {
		t.Fatalf("exit %d, result %+v, want an interruption\n%s", first.code, first.result, first.log)
	}
	trial.Attempt = 2
	second := runTrialPod(t, trial, nil)
	if second.code != 0 || !strings.Contains(second.log, "resuming from a checkpoint") {
		t.Fatalf("exit %d, result %+v\n%s", second.code, second.result, second.log)
	}

	for _, name := range []string{"resume-e0002-s*/" + wire.WeightsFile, "resume-e0002-s*/" + wire.SlotsFile} {
		want, got := onlyFile(t, undisturbedStore, name), onlyFile(t, store, name)
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs between an undisturbed trial and an interrupted one", name)
		}
	}
	const want = "started:0 epoch:1 resumed:1 started:0 epoch:1 epoch:2 finished:2"
	isHeartbeat := func(r wire.Report) bool { return r.Kind == wire.ReportHeartbeat }
	if got := story(slices.DeleteFunc(reports(), isHeartbeat)); got != want {
		t.Errorf("the stream holds %q, want %q", got, want)
	}
}

// story returns one word for each report: its kind and its epoch.
func story(reports []wire.Report) string {
	var words []string
	for _, r := range reports {
		words = append(words, fmt.Sprintf("%s:%d", r.Kind, r.Epoch))
	}
	return strings.Join(words, " ")
}

// Exit code 0 says that every report is in the stream. A trial whose reports are not delivered ends as interrupted. Its
// next attempt trains nothing and sends them.
func TestATrialWhoseReportsAreNotDeliveredHasNotSucceeded(t *testing.T) {
	store := undisturbed(t)
	away := toyTrial(t, store, "nats://127.0.0.1:1")
	away.Attempt = 2
	p := runPodThatWaits(t, time.Millisecond, []string{"run"}, environment(t, away), away.Result, nil)
	if p.code != wire.ExitInterrupted || p.result.Reason != "ReportsUndelivered" {
		t.Errorf("while NATS is away: exit %d, result %+v\n%s", p.code, p.result, p.log)
	}
	url, reports := stream(t)
	back := toyTrial(t, store, url)
	back.Attempt = 3
	if p := runTrialPod(t, back, nil); p.code != 0 || strings.Contains(p.log, "epoch done") {
		t.Errorf("when NATS is back: exit %d, result %+v\n%s", p.code, p.result, p.log)
	}
	if got, want := story(reports()), "resumed:2 started:0 epoch:1 epoch:2 finished:2"; got != want {
		t.Errorf("the stream holds %q, want %q", got, want)
	}
}

// onlyFile reads the only file of this name that a trial has left.
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

func TestATrialThatCannotStartSaysWhy(t *testing.T) {
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
	notADirectory := wire.LocalURI(filepath.Join(data, "labels.csv"))
	for name, test := range map[string]struct {
		change func(*wire.Trial)
		code   int
		reason string
		where  string
		say    string // a part of the message
	}{
		"an image is missing": {
			change: func(tr *wire.Trial) { tr.Dataset.URI = wire.LocalURI(damaged) },
			code:   wire.ExitData,
			reason: "BadData",
			where:  filepath.Join(damaged, "labels.csv") + ":8",
			say:    "e0007",
		},
		"the data set does not exist": {
			change: func(tr *wire.Trial) { tr.Dataset.URI = "file:///nowhere/erasers" },
			code:   wire.ExitNoInput,
			reason: "NoInput",
			where:  "/nowhere/erasers",
			say:    "does not exist",
		},
		"the corrections do not exist": {
			change: func(tr *wire.Trial) { tr.Dataset.Corrections = "file:///nowhere/corrections.csv" },
			code:   wire.ExitNoInput,
			reason: "NoInput",
			where:  "/nowhere/corrections.csv",
			say:    "does not exist",
		},
		"a setting is out of its range": {
			change: func(tr *wire.Trial) { tr.Hyperparameters.BatchSize = 1 },
			code:   wire.ExitSettings,
			reason: "BadSettings",
			say:    "batchSize 1 is below 2",
		},
		"a split without defects": {
			change: func(tr *wire.Trial) { tr.Dataset.Split.Test = 0.01 },
			code:   wire.ExitData,
			reason: "BadData",
			where:  data,
			say:    "test split",
		},
		"a GPU was requested and there is none": {
			change: func(tr *wire.Trial) { tr.GPU = true },
			code:   wire.ExitDevice,
			reason: "NoDevice",
			say:    "a GPU was requested",
		},
		"the store is not a directory": {
			change: func(tr *wire.Trial) { tr.Checkpoint.URI = notADirectory },
			code:   wire.ExitStore,
			reason: "StoreFailed",
			where:  notADirectory,
			say:    "not a directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			trial := toyTrial(t, t.TempDir(), "")
			test.change(&trial)
			p := runTrialPod(t, trial, nil)
			p.expect(t, test.code, test.reason, test.say)
			if p.result.Where != test.where {
				t.Errorf("the result is about %q, want %q", p.result.Where, test.where)
			}
		})
	}
	if p := runVerb(t, "run"); p.code != wire.ExitSettings {
		t.Errorf("without %s: exit %d, want %d", wire.EnvTrial, p.code, wire.ExitSettings)
	}
	runVerb(t, "fit", "--depht", "18").expectLog(t, wire.ExitSettings, "unknown flag")
}

func TestASimulatedGPUNeedsNoGPU(t *testing.T) {
	trial := toyTrial(t, t.TempDir(), "")
	trial.GPU = true
	p := runTrialPod(t, trial, func(log string, sigterm func()) {
		if strings.Contains(log, "training starts from the beginning") {
			sigterm() // the check for a GPU is over
		}
	}, wire.EnvSimulatedGPU, "1")
	if p.code != wire.ExitInterrupted {
		t.Errorf("exit %d, result %+v, want an interruption\n%s", p.code, p.result, p.log)
	}
}
