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

const (
	lifeStore   = "PLUMBLINE_TEST_STORE"
	lifeAttempt = "PLUMBLINE_TEST_ATTEMPT"
	lifeArm     = "PLUMBLINE_TEST_ARM"    // the failpoint that is armed
	lifeReport  = "PLUMBLINE_TEST_REPORT" // once this report has been told
)

// TestOneLife is one attempt in a process of its own, for the drill below to kill.
func TestOneLife(t *testing.T) {
	store := os.Getenv(lifeStore)
	if store == "" {
		t.Skip("a process of TestATrialKilledAtAnyWriteEndsInTheSameBytes")
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

// Chance rarely hits the moment between a rename and what follows it. Here a trial's process dies at every write of a checkpoint in
// turn, and each time the next attempt ends in the bytes of one that nobody disturbed.
func TestATrialKilledAtAnyWriteEndsInTheSameBytes(t *testing.T) {
	want := newTrial(t).undisturbed()
	for _, point := range []string{"checkpoint.write.before", "checkpoint.file.after", "checkpoint.rename.before", "checkpoint.rename.after", "checkpoint.discard.after"} {
		for report := 1; report <= 4; report++ { // started, and three epochs
			t.Run(fmt.Sprintf("%s after report %d", point, report), func(t *testing.T) {
				t.Parallel() // most of the time goes into fsync
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
					t.Error("nothing was killed")
				}
				// Killed after its last write, the first attempt leaves the same state as the second.
				last := fmt.Sprintf("%s/run-uid/d18/*/resume-e0004-s%08d", store, 4*5)
				found, err := filepath.Glob(last)
				if err != nil || len(found) == 0 {
					t.Fatalf("no %s, error %v", last, err)
				}
				tr := newTrial(t)
				for _, dir := range found {
					if !bytes.Equal(tr.read(dir, wire.WeightsFile), want.Weights) || !bytes.Equal(tr.read(dir, wire.SlotsFile), want.Slots) {
						t.Errorf("%s differs from an undisturbed trial's", dir)
					}
				}
			})
		}
	}
}
