package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"plumbline.dev/plumbline/failpoint"
)

// measure returns the size of all files below dir, in bytes, and the time of the latest change.
func measure(dir string) (bytes int64, changed time.Time, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile, by a run that still trains
			return nil
		case err != nil:
			return err
		}
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		if info.ModTime().After(changed) {
			changed = info.ModTime()
		}
		return nil
	})
	return bytes, changed, err
}

// Remove removes a directory or file. It first renames it to DiscardedPrefix and its name: if the process is killed,
// what is left does not look like a complete checkpoint or file.
func Remove(path string) error {
	dir, name := filepath.Split(path)
	return remove(dir, name)
}

// remove is Remove for a name in dir.
func remove(dir, name string) error {
	old := filepath.Join(dir, DiscardedPrefix+strings.TrimPrefix(name, DiscardedPrefix))
	if name != filepath.Base(old) {
		if err := os.Rename(filepath.Join(dir, name), old); err != nil {
			return fmt.Errorf("remove %s: %w", filepath.Join(dir, name), err)
		}
	}
	failpoint.Here("checkpoint.discard.after")
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove %s: %w", old, err)
	}
	return nil
}
