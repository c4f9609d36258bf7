package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// A process in which a read never returns ends itself and says so: a pipe that nobody writes to is what a mount that has gone away
// looks like.
func TestAProcessThatHangsEndsItself(t *testing.T) {
	trial := toyTrial(t, t.TempDir(), "")
	data := filepath.Join(t.TempDir(), "erasers")
	from, err := wire.LocalPath(trial.Dataset.URI)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	labels := filepath.Join(data, "labels.csv")
	if err := os.Remove(labels); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(labels, 0o600); err != nil {
		t.Fatal(err)
	}
	trial.Dataset.URI, trial.StallSeconds = wire.LocalURI(data), 1
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
	if err != nil || r.Reason != "Stalled" || !strings.HasPrefix(r.Message, "no step or other work has ended for 1 s, since the start: ") {
		t.Errorf("last word %+v, error %v", r, err)
	}
	if !strings.Contains(string(log), r.Message) {
		t.Errorf("the log does not say %q:\n%s", r.Message, log)
	}
}
