//go:build drill

package failpoint

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// envProgram makes this test's binary a program that passes two points in turn, three times.
const envProgram = "PLUMBLINE_TEST_AS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(envProgram) != "" {
		for i := range 3 {
			Here("write.before")
			fmt.Print("w", i, " ")
			Here("write.after")
		}
		return
	}
	os.Exit(m.Run())
}

// runProgram runs the program, and returns what it wrote and how it ended.
func runProgram(dir string) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envProgram+"=1", envDir+"="+dir)
	out, _ := cmd.CombinedOutput()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return strings.TrimSpace(string(out)) + " " + status.Signal().String()
	}
	return strings.TrimSpace(string(out)) + fmt.Sprintf(" exit %d", status.ExitStatus())
}

func TestAnArmedPointKillsOneProcess(t *testing.T) {
	dir := t.TempDir()
	arm := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	arm("write.after")
	runs := []string{runProgram(dir), runProgram(dir)}
	arm("write.before")
	runs = append(runs, runProgram(dir), runProgram(""))
	want := "w0 killed; w0 w1 w2 exit 0;  killed; w0 w1 w2 exit 0"
	if got := strings.Join(runs, "; "); got != want {
		t.Errorf("runs %q, want %q", got, want)
	}
}

func TestTheDiskIsFullWhileThePointIsArmed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(envDir, dir)
	if err := Full("checkpoint.full"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint.full"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Full("checkpoint.full"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the point is armed, but the error is %v, want ENOSPC", err)
		}
	}
}
