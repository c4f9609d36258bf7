package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// replaceIn returns a function that replaces the first occurrence of a text in a file of a dataset.
func replaceIn(file, from, to string) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(b), from) {
			return errors.New(path + " does not contain " + from)
		}
		return os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644)
	}
}

// overwrite returns a function that replaces the first image of a folder by text.
func overwrite(folder string) func(dir string) error {
	return func(dir string) error {
		images, err := filepath.Glob(filepath.Join(dir, folder, "*"))
		if err != nil || len(images) == 0 {
			return errors.Join(errors.New("no images in "+folder), err)
		}
		return os.WriteFile(images[0], []byte("this is not an image"), 0o644)
	}
}

func removeAll(dir string) error { return os.RemoveAll(dir) }
