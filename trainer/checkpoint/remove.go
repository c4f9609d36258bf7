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

// measure adds up the files below dir and finds the latest change.
func measure(dir string) (bytes int64, changed time.Time, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // of a run that still trains
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

// Remove takes something away: first its name, so that what is half removed never looks like a checkpoint, whenever the process is
// killed; the next prune takes the rest.
func Remove(root string, r Removal) error {
	path := filepath.Join(root, r.Path)
	dir, name := filepath.Split(path)
	if !strings.HasPrefix(name, discarded) && !strings.HasPrefix(name, unfinished) {
		old := filepath.Join(dir, discarded+name)
		if err := os.Rename(path, old); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if err := Sync(dir); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		failpoint.Here("prune.rename.after")
		path = old
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
