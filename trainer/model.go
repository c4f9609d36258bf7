package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"plumbline.dev/plumbline/wire"
)

// card is what a published model carries beside the SavedModel: what it was made from, and what its files must be. TensorFlow
// Serving leaves assets.extra alone.
type card struct {
	Format     string        `json:"format"`     // cardForm
	Checkpoint string        `json:"checkpoint"` // digest of its manifest
	Manifest   wire.Manifest `json:"manifest"`   // of the checkpoint
	Files      []wire.File   `json:"files"`      // all others of the version, by path below it, sorted
}

const (
	cardForm = "plumbline.dev/model/v1"
	cardDir  = "assets.extra"
	cardFile = "plumbline.json"
)

// errNotAsPublished says that a version is there and is not what somebody published.
var errNotAsPublished = errors.New("not as it was published")

// readModel reads a version's card and verifies every file that it names. digest is the card's own: with it all else is fixed.
func readModel(dir string) (c card, digest string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, cardDir, cardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return card{}, "", fmt.Errorf("%s has no %s/%s: %w by plumbline-trainer", dir, cardDir, cardFile, errNotAsPublished)
	}
	if err != nil {
		return card{}, "", err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return card{}, "", fmt.Errorf("read %s: %w: %w", filepath.Join(dir, cardDir, cardFile), errNotAsPublished, err)
	}
	if c.Format != cardForm {
		return card{}, "", fmt.Errorf("%s: %w: its format is %q, not %s", dir, errNotAsPublished, c.Format, cardForm)
	}
	files, err := listFiles(dir)
	if err != nil {
		return card{}, "", err
	}
	if !slices.Equal(files, c.Files) {
		return card{}, "", fmt.Errorf("%s: %w: %s", dir, errNotAsPublished, difference(c.Files, files))
	}
	return c, digestOf(text), nil
}

// listFiles describes a version's files but the card.
func listFiles(dir string) ([]wire.File, error) {
	var files []wire.File
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == filepath.Join(cardDir, cardFile) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		size, err := io.Copy(sum, f)
		files = append(files, wire.File{Name: filepath.ToSlash(name), Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
		return err
	})
	return files, err // WalkDir goes by name
}

// difference names the first file that is not as it should be.
func difference(want, got []wire.File) string {
	for _, w := range want {
		i := slices.IndexFunc(got, func(g wire.File) bool { return g.Name == w.Name })
		switch {
		case i < 0:
			return w.Name + " is missing"
		case got[i] != w:
			return fmt.Sprintf("%s has the sha256 %s, not %s", w.Name, got[i].SHA256, w.SHA256)
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w wire.File) bool { return g.Name == w.Name }) {
			return g.Name + " does not belong there"
		}
	}
	return "its files are listed in another order"
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// versionDir finds a version: dir itself, or the highest number below it, which is the one that TensorFlow Serving serves.
func versionDir(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "saved_model.pb")); err == nil {
		return dir, nil
	}
	highest, err := highestVersion(dir)
	if err != nil {
		return "", err
	}
	if highest == 0 {
		return "", missingError(dir, fmt.Errorf("%s is neither a version of a model (with saved_model.pb) nor a model with numbered versions", dir))
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
