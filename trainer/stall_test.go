package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// A process in which a read never returns ends itself and says so. A pipe without a writer acts like a mount that is
// gone. The pipe is in the place of the pretrained weights, because the data set's reader refuses pipes.
func TestAProcessThatHangsEndsItself(t *testing.T) {
	trial := toyTrial(t, t.TempDir(), "")
	weights := filepath.Join(t.TempDir(), "resnet18.safetensors")
	if err := syscall.Mkfifo(weights, 0o600); err != nil {
		t.Fatal(err)
	}
	trial.Pretrained = &wire.Pretrained{URI: wire.LocalURI(weights), InputAdaptation: wire.AdaptTile}
	trial.StallSeconds = 1
	text, err := json.Marshal(trial)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "run")
	cmd.Env = append(os.Environ(), asProgram+"=1", wire.EnvTrial+"="+string(text), wire.EnvPodUID+"=pod1")
	log, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != wire.ExitStalled {
		t.Fatalf("exit %d, want %d\n%s", code, wire.ExitStalled, log)
	}
	result, err := os.ReadFile(trial.Result)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.DecodeResult(result)
	const says = "no step or other work has ended for 1 s, since the decoding of image 60 of 60: "
	if err != nil || r.Reason != "Stalled" || !strings.HasPrefix(r.Message, says) {
		t.Errorf("result %+v, error %v", r, err)
	}
	if !strings.Contains(string(log), r.Message) {
		t.Errorf("the log does not say %q:\n%s", r.Message, log)
	}
}

// Hashing a large data set takes minutes. Meanwhile the watchdog must get signs of work, and SIGTERM must have an
// effect.
func TestReadingTheDataSetIsWorkThatCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var work []string
	_, _, err := loadData(ctx, toyTrial(t, t.TempDir(), ""), slog.New(slog.DiscardHandler), func(what string) {
		work = append(work, what)
		cancel()
	})
	if len(work) == 0 || work[0] != "the reading of image 1 of 60" {
		t.Errorf("the signs of work are %q", work)
	}
	if err == nil || endingOf(err).code != wire.ExitInterrupted {
		t.Errorf("error %v", err)
	}
}
