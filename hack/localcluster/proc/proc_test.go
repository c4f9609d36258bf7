package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// sleeper starts a process and kills it when the test ends.
func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "60")
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	return cmd
}

func TestAPIDFileKnowsItsProcess(t *testing.T) {
	cmd := sleeper(t)
	id, err := Lookup(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.pid")
	if err := WritePIDFile(file, id); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPIDFile(file)
	if diff := cmp.Diff(id, got); err != nil || diff != "" {
		t.Fatalf("the pid file after reading (-want +got): %v\n%s", err, diff)
	}
	for name, tc := range map[string]struct {
		id   ID
		want bool
	}{
		"the process itself":                              {id, true},
		"an earlier process with the number":              {ID{id.PID, id.Start - 1, id.Boot}, false},
		"a process with the number, before the last boot": {ID{id.PID, id.Start, "another-boot"}, false},
		"no process": {ID{}, false},
	} {
		if tc.id.Alive() != tc.want {
			t.Errorf("%s: alive %v, want %v", name, !tc.want, tc.want)
		}
	}
	if age := time.Since(id.StartedAt()); age < -time.Second || age > time.Minute {
		t.Errorf("started %s ago", age)
	}
}

func TestASignalNeverReachesALaterHolderOfTheNumber(t *testing.T) {
	cmd := sleeper(t)
	id, err := Lookup(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := ID{id.PID, id.Start - 1, id.Boot}
	if err := other.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !id.Alive() {
		t.Fatal("a signal to an earlier process with the number killed this one")
	}
	if err := id.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-id.Done()
	if id.Alive() {
		t.Error("a killed process counts as alive")
	}
}

func TestParseStat(t *testing.T) {
	st, err := parseStat([]byte("42 (a) b) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1 1 1"))
	want := stat{state: 'S', ppid: 7, start: 123456}
	if err != nil || st != want {
		t.Errorf("parsed %+v, %v; want %+v", st, err, want)
	}
	if _, err := parseStat([]byte("42 (short) S")); err == nil {
		t.Error("a short line was accepted")
	}
}

func TestMarkedProcessesAreFoundAndEnded(t *testing.T) {
	mine := sleeper(t, MarkerVar+"=test-mark/pod/u1/main")
	other := sleeper(t, MarkerVar+"=test-marker/pod/u1/main")
	if got := Marked("test-mark/pod/u1"); len(got) != 1 || got[0].PID != mine.Process.Pid {
		t.Fatalf("marked %v, want %d alone", got, mine.Process.Pid)
	}
	if err := KillMarked("test-mark"); err != nil {
		t.Fatal(err)
	}
	if id, err := Lookup(other.Process.Pid); err != nil || !id.Alive() {
		t.Error("a process with another marker was killed")
	}
}

// When a container's process ends, Wait kills the rest of its process group.
func TestWaitEndsTheProcessGroup(t *testing.T) {
	parent, err := NewParent()
	if err != nil {
		t.Fatal(err)
	}
	const mark = "test-group/pod/u/main"
	cmd := exec.Command("/bin/sh", "-c", "sleep 60 & exit 3")
	cmd.Env = []string{MarkerVar + "=" + mark, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := parent.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(cmd); cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("ended %v, want code 3", err)
	}
	for _, id := range Marked(mark) {
		if !id.WaitGone(5 * time.Second) {
			t.Errorf("process %d of the group is still there", id.PID)
		}
	}
}
