package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"plumbline.dev/plumbline/trainer/checkpoint"
)

// versionDir finds a version: dir itself, or the highest number below it, which is the one that TensorFlow Serving
// serves.
func versionDir(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "saved_model.pb")); err == nil {
		return dir, nil
	}
	highest, err := highestVersion(dir)
	if err != nil {
		return "", err
	}
	if highest == 0 {
		return "", missingError(dir, fmt.Errorf(
			"%s is neither a version of a model (with saved_model.pb) nor a model with numbered versions", dir))
	}
	return filepath.Join(dir, fmt.Sprint(highest)), nil
}

// highestVersion is 0 where there is none.
func highestVersion(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var highest int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
			highest = max(highest, n)
		}
	}
	return highest, err
}

// newStagingDir makes a directory beside the versions, which no server takes for one, and removes what killed pods left
// of this version. It takes their names first: should another pod be at work in one of them after all, its own rename
// then fails, where it might have made half a version visible.
func newStagingDir(model string, number int64) (temp string, err error) {
	if err := checkpoint.MakeDir(model); err != nil {
		return "", err
	}
	prefix := fmt.Sprintf(".publishing-%d-", number)
	for _, stale := range []string{prefix + "*", checkpoint.DiscardedPrefix + prefix + "*"} {
		found, err := filepath.Glob(filepath.Join(model, stale))
		if err != nil {
			return "", err
		}
		for _, dir := range found {
			err := checkpoint.Remove(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // that pod has just made its version of it
				return "", err
			}
		}
	}
	if temp, err = os.MkdirTemp(model, prefix); err != nil {
		return "", err
	}
	return temp, os.Chmod(temp, 0o755) // servers run as somebody else
}
