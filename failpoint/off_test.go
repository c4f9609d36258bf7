//go:build !drill

package failpoint

import (
	"os"
	"testing"
)

// Whatever the environment says, a program that was not built for drills takes no notice.
func TestNothingHappensWithoutTheBuildTag(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PLUMBLINE_FAILPOINTS", "here=1")
	t.Setenv("PLUMBLINE_FAILPOINTS_DIR", dir)
	Here("here")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, error %v", left, err)
	}
}
