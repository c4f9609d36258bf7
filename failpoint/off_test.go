//go:build !drill

package failpoint

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever the environment says, a program that was not built for drills takes no notice.
func TestNothingHappensWithoutTheBuildTag(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRILL_FAILPOINTS", dir)
	Here("here")
	if err := Full("here"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, error %v", left, err)
	}
}
