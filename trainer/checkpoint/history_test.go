package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/wire"
)

func TestHistoryIsReadWithoutTheWeightsAndVerified(t *testing.T) {
	dir := local(t, save(t, newWriter(t, t.TempDir(), "w", 2), resume(2, 20, nil)))
	if err := os.Remove(filepath.Join(dir, wire.WeightsFile)); err != nil {
		t.Fatal(err)
	}
	got, err := History(dir)
	if diff := cmp.Diff(history(2), got); err != nil || diff != "" {
		t.Errorf("error %v, history:\n%s", err, diff)
	}
	file := filepath.Join(dir, wire.HistoryFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := History(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("the error for a changed history is %v, want ErrDamaged", err)
	}
}
