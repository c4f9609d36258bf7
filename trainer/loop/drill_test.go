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
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
}

// Chance rarely hits the moment between a rename and what follows it. Here a trial's process dies at every write of a checkpoint in
// turn, and each time the next attempt ends in the bytes of one that nobody disturbed.
func TestATrialKilledAtAnyWriteEndsInTheSameBytes(t *testing.T) {
	want := newTrial(t).undisturbed()
	for point, times := range map[string]int{ // of which an undisturbed trial has at least so many
		"checkpoint.write.before": 5, "checkpoint.file.after": 12, "checkpoint.rename.before": 5, "checkpoint.rename.after": 5, "checkpoint.discard.after": 2,
	} {
		for n := 1; n <= times; n++ {
			t.Run(fmt.Sprintf("%s, time %d", point, n), func(t *testing.T) {
				t.Parallel() // most of the time goes into fsync
				store, counts := t.TempDir(), t.TempDir()
				killed := 0
				for attempt := 0; ; attempt++ {
					cmd := exec.Command(os.Args[0], "-test.run=^TestOneLife$")
					cmd.Env = append(os.Environ(), lifeStore+"="+store, fmt.Sprintf("%s=%d", lifeAttempt, attempt),
						fmt.Sprintf("PLUMBLINE_FAILPOINTS=%s=%d", point, n), "PLUMBLINE_FAILPOINTS_DIR="+counts)
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
