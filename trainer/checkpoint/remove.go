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

// Remove takes a directory or file away: first its name, so that what is half removed never looks like a checkpoint, or like whatever it
// was, whenever the process is killed; .old- and the name is what it is called until the rest is gone.
func Remove(path string) error {
	dir, name := filepath.Split(path)
	return remove(dir, name)
}
