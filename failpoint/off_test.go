//go:build !drill

package failpoint

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that was built without the tag ignores DRILL_FAILPOINTS.
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
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files %v, error %v, want the one file", files, err)
	}
}
