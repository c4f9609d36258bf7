package checkpoint

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"
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
	dir, name := filepath.Split(filepath.Join(root, r.Path))
	return remove(dir, name)
}
