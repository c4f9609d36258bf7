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

// Reading one of these files would never end, or fill the memory.
func TestFilesThatWouldNeverEndAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(path string) error
		want string
	}{
		"a pipe": {
			put:  func(path string) error { return syscall.Mkfifo(path, 0o600) },
			want: "is a pipe, a device or another special file, not a regular file",
		},
		"a device": {
			put:  func(path string) error { return os.Symlink("/dev/zero", path) },
			want: "is a pipe, a device or another special file, not a regular file",
		},
		"a directory": {
			put:  func(path string) error { return os.Mkdir(path, 0o755) },
			want: "is a directory, not a file",
		},
		"a file of 1 TiB": {
			put: func(path string) error {
				return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40))
			},
			want: "has 1099511627776 bytes or more; the limit for this kind of file is ",
		},
		"a link to itself": {
			put:  func(path string) error { return os.Symlink(path, path) },
			want: "too many levels of symbolic links",
		},
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
				_, loadErr := Load(context.Background(), dir, "", nil)
				result, checkErr := Check(context.Background(), dir, "", nil)
				if name == "a link to itself" { // an error of the file system, not a problem of the set
					for _, err := range []error{loadErr, checkErr} {
						if err == nil || !strings.Contains(err.Error(), c.want) {
							t.Errorf("got %v, want %q in it", err, c.want)
						}
					}
					return
				}
				if checkErr != nil {
					t.Fatal(checkErr)
				}
				for _, err := range []error{loadErr, &ProblemsError{result.Problems}} {
					got := problemTexts(dir, err)
					if len(got) != 1 || !strings.HasPrefix(got[0], line+c.want) {
						t.Errorf("got %q, want %q", got, line+c.want)
					}
				}
			})
		}
	}
}

// The stated size of a file in /proc is 0.
func TestAFileLongerThanItsStatedSizeIsRefused(t *testing.T) {
	_, err := readFile("/proc/self/status", 64)
	if err == nil || !strings.Contains(err.Error(), "has 65 bytes or more") {
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
	var calls []string
	progress := func(done, total int) { calls = append(calls, fmt.Sprintf("%d/%d", done, total)) }
	if _, err := Load(context.Background(), goodSet().write(t), "", progress); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1/6", "2/6", "3/6", "4/6", "5/6", "6/6"}, calls); diff != "" {
		t.Error(diff)
	}
}
