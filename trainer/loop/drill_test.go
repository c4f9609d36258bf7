//go:build drill

package loop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// Environment of the processes of TestOneLife.
const (
	lifeStore   = "PLUMBLINE_TEST_STORE"
	lifeAttempt = "PLUMBLINE_TEST_ATTEMPT"
	lifeArm     = "PLUMBLINE_TEST_ARM"    // the failpoint that is armed
	lifeReport  = "PLUMBLINE_TEST_REPORT" // the sequence of the report after which it is armed
)

// TestOneLife is one attempt in a separate process, which the drill below kills.
func TestOneLife(t *testing.T) {
	store := os.Getenv(lifeStore)
	if store == "" {
		t.Skip("TestATrialKilledAtAnyWriteEndsInTheSameBytes runs this test in a separate process")
	}
	tr := newTrial(t)
	tr.store, tr.config.Trial.Checkpoint.URI = store, wire.LocalURI(store)
	before, err := strconv.Atoi(os.Getenv(lifeAttempt))
	if err != nil {
		t.Fatal(err)
	}
	tr.attempt = before
	tr.spool = func(r wire.Report) error {
		if before == 0 && fmt.Sprint(r.Sequence) == os.Getenv(lifeReport) {
			return os.WriteFile(filepath.Join(os.Getenv("DRILL_FAILPOINTS"), os.Getenv(lifeArm)), nil, 0o644)
		}
		return nil
	}
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed at random rarely dies between a rename and the step after it. Here it dies at every write
// of a checkpoint in turn. Each time the next attempt ends in the bytes of an undisturbed trial.
func TestATrialKilledAtAnyWriteEndsInTheSameBytes(t *testing.T) {
	want := newTrial(t).undisturbed()
	for _, point := range []string{
		"checkpoint.write.before",
		"checkpoint.file.after",
		"checkpoint.rename.before",
		"checkpoint.rename.after",
		"checkpoint.discard.after",
	} {
		for report := 1; report <= 4; report++ { // the trial's start, and three epochs
			t.Run(fmt.Sprintf("%s after report %d", point, report), func(t *testing.T) {
				t.Parallel() // fsync takes most of the time
				store, armed := t.TempDir(), t.TempDir()
				killed := 0
				for attempt := 0; ; attempt++ {
					cmd := exec.Command(os.Args[0], "-test.run=^TestOneLife$")
					cmd.Env = append(os.Environ(), lifeStore+"="+store, fmt.Sprintf("%s=%d", lifeAttempt, attempt),
						lifeArm+"="+point, fmt.Sprintf("%s=%d", lifeReport, report), "DRILL_FAILPOINTS="+armed)
					out, err := cmd.CombinedOutput()
					if err == nil {
						break
					}
					if killed++; killed > 1 || !strings.Contains(err.Error(), "killed") {
						t.Fatalf("attempt %d: %v\n%s", attempt+1, err, out)
					}
				}
				if killed != 1 {
					t.Error("no attempt was killed")
				}
				// If the first attempt is killed after its last write, it leaves the same state as the second.
				last := fmt.Sprintf("%s/run-uid/d18/*/resume-e0004-s%08d", store, 4*5)
				found, err := filepath.Glob(last)
				if err != nil || len(found) == 0 {
					t.Fatalf("no %s, error %v", last, err)
				}
				tr := newTrial(t)
				for _, dir := range found {
					weights, slots := tr.read(dir, wire.WeightsFile), tr.read(dir, wire.SlotsFile)
					if !bytes.Equal(weights, want.Weights) || !bytes.Equal(slots, want.Slots) {
						t.Errorf("%s differs from that of an undisturbed trial", dir)
					}
				}
			})
		}
	}
}
