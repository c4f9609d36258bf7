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

// versionDir returns the directory of a model version: dir itself if it is one, else the highest numbered one below
// dir. TensorFlow Serving serves the same one.
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
			"%s is neither a version of a model (it has no saved_model.pb) nor a model with numbered versions", dir))
	}
	return filepath.Join(dir, fmt.Sprint(highest)), nil
}

// highestVersion returns the highest version number in a model's directory, or 0 if there is none.
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

// newStagingDir makes a directory beside the versions, whose name no server treats as a version. It also removes the
// directories that killed pods left of this version. Each is renamed before it is deleted. If another pod still works
// in one of them, that pod's own rename fails then; otherwise the rename might make half a version visible.
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
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // not there: that pod has just renamed it to its version
				return "", err
			}
		}
	}
	if temp, err = os.MkdirTemp(model, prefix); err != nil {
		return "", err
	}
	return temp, os.Chmod(temp, 0o755) // model servers run as another user
}
