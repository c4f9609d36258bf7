package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilesThatWouldNeverEndAreRefused: each of these would hang, or fill the memory.
func TestFilesThatWouldNeverEndAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(path string) error
		want string
	}{
		"a pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is a pipe, a device or another special file, not a regular file"},
		"a device":         {func(path string) error { return os.Symlink("/dev/zero", path) }, "is a pipe, a device or another special file, not a regular file"},
		"a directory":      {func(path string) error { return os.Mkdir(path, 0o755) }, "is a directory, not a file"},
		"a file of 1 TiB":  {func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40)) }, "has 1099511627776 bytes or more; the limit for this kind of file is "},
		"a link to itself": {func(path string) error { return os.Symlink(path, path) }, "too many levels of symbolic links"},
	} {
		for file, line := range map[string]string{
			"dataset.yaml": "dataset.yaml: ", "labels.csv": "labels.csv: ", "c.csv": "c.csv: ",
			"images/AM/e2.png": "labels.csv:3: sample e2: images/AM/e2.png ",
		} {
			t.Run(name+" as "+file, func(t *testing.T) {
				f := goodSet()
				f["dataset.yaml"] = append(f["dataset.yaml"], "corrections: c.csv\n"...)
				f["c.csv"] = []byte(correctionHead)
				dir := f.write(t)
				path := filepath.Join(dir, file)
				if err := errors.Join(os.Remove(path), c.put(path)); err != nil {
					t.Fatal(err)
				}
				_, loading := Load(context.Background(), dir, "", nil)
				report, checking := Check(context.Background(), dir, "", nil)
				if name == "a link to itself" { // the file system's error, which may pass
					for _, err := range []error{loading, checking} {
						if err == nil || !strings.Contains(err.Error(), c.want) {
							t.Errorf("got %v, want %q in it", err, c.want)
						}
					}
					return
				}
				if checking != nil {
					t.Fatal(checking)
				}
				for _, got := range [][]string{problemTexts(dir, loading), problemTexts(dir, &ProblemsError{report.Problems})} {
					if len(got) != 1 || !strings.HasPrefix(got[0], line+c.want) {
						t.Errorf("got %q, want %q", got, line+c.want)
					}
				}
			})
		}
	}
}

// TestAFileLongerThanItsStatedSizeIsRefused: /proc's say that they have none.
func TestAFileLongerThanItsStatedSizeIsRefused(t *testing.T) {
	if _, err := readFile("/proc/self/status", 64); err == nil || !strings.Contains(err.Error(), "has 65 bytes or more") {
		t.Errorf("got %v", err)
	}
}

func TestLoadStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, goodSet().write(t), "", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLoadCallsProgressForEverySample(t *testing.T) {
	var seen []string
	if _, err := Load(context.Background(), goodSet().write(t), "", func(done, total int) { seen = append(seen, fmt.Sprintf("%d/%d", done, total)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1/6", "2/6", "3/6", "4/6", "5/6", "6/6"}, seen); diff != "" {
		t.Error(diff)
	}
}
