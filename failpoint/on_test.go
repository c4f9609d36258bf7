//go:build drill

package failpoint

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asVictim makes this test's binary a program that passes two points in turn, three times.
const asVictim = "PLUMBLINE_TEST_AS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		for i := range 3 {
			Here("write.before")
			fmt.Print("w", i, " ")
			Here("write.after")
		}
		return
	}
	os.Exit(m.Run())
}

// live runs the victim and says what it wrote and how it ended.
func live(dir, kills string) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asVictim+"=1", envDir+"="+dir, envKills+"="+kills)
	out, _ := cmd.CombinedOutput()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return strings.TrimSpace(string(out)) + " " + status.Signal().String()
	}
	return strings.TrimSpace(string(out)) + fmt.Sprintf(" exit %d", status.ExitStatus())
}

func TestAProcessDiesAtThePassingThatWasAskedForAndOnce(t *testing.T) {
	dir := t.TempDir()
	kills := "write.before=3,write.after=5"
	var lives []string
	for range 4 {
		lives = append(lives, live(dir, kills))
	}
	// The first life passes "after" twice and dies before its third write; the second passes it the third, fourth and fifth time.
	want := "w0 w1 killed; w0 w1 w2 killed; w0 w1 w2 exit 0; w0 w1 w2 exit 0"
	if got := strings.Join(lives, "; "); got != want {
		t.Errorf("lives %q, want %q", got, want)
	}
	for name, want := range map[string]int64{"write.before": 3 + 3 + 3 + 3, "write.after": 2 + 3 + 3 + 3} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() != want {
			t.Errorf("%s was passed %v times, error %v, want %d", name, info.Size(), err, want)
		}
	}
}

func TestAMistakeInTheEnvironmentEndsTheProcess(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ dir, kills, want string }{
		"no number":            {dir, "write.before", `failpoint: PLUMBLINE_FAILPOINTS: "write.before" is not of the form name=n with n of 1 or more exit 64`},
		"a zeroth time":        {dir, "write.before=0", `failpoint: PLUMBLINE_FAILPOINTS: "write.before=0" is not of the form name=n with n of 1 or more exit 64`},
		"nowhere to count":     {"", "write.before=1", "failpoint: PLUMBLINE_FAILPOINTS is set without PLUMBLINE_FAILPOINTS_DIR: each restart would be killed again exit 64"},
		"nothing is asked for": {"", "", "w0 w1 w2 exit 0"},
	} {
		if got := live(test.dir, test.kills); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
