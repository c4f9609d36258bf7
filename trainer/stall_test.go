package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// A process in which a read never returns ends itself and says so: a pipe that nobody writes to is what a mount that has gone away
// looks like. It lies where weights should, as the data set's reader refuses one.
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
	cmd.Env = append(os.Environ(), asProgram+"=1", wire.EnvTrial+"="+string(text), fmt.Sprintf("%s=pod1", wire.EnvPodUID))
	log, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != wire.ExitStalled {
		t.Fatalf("exit %d, want %d\n%s", code, wire.ExitStalled, log)
	}
	word, err := os.ReadFile(trial.Result)
	if err != nil {
		t.Fatal(err)
	}
	r, err := wire.DecodeResult(word)
	if err != nil || r.Reason != "Stalled" || !strings.HasPrefix(r.Message, "no step or other work has ended for 1 s, since the decoding of image 60 of 60: ") {
		t.Errorf("last word %+v, error %v", r, err)
	}
	if !strings.Contains(string(log), r.Message) {
		t.Errorf("the log does not say %q:\n%s", r.Message, log)
	}
}

// Hashing a large set takes minutes: the watchdog must be told meanwhile, and SIGTERM be heard.
func TestReadingTheSetIsWorkThatCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var read []string
	_, _, err := loadData(ctx, toyTrial(t, t.TempDir(), ""), slog.New(slog.DiscardHandler), func(what string) {
		read = append(read, what)
		cancel()
	})
	if len(read) == 0 || read[0] != "the reading of image 1 of 60" || err == nil || endingOf(err).code != wire.ExitInterrupted {
		t.Errorf("told %q, error %v", read, err)
	}
}
