package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// card is what a published model carries beside the SavedModel: what it was made from, and what its files must be.
// TensorFlow Serving leaves assets.extra alone.
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

// readCard reads a version's card and verifies every file that it names. digest is the card's own: with it all else is
// fixed.
func readCard(dir string) (c card, digest string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, cardDir, cardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return card{}, "", fmt.Errorf("%s has no %s/%s: %w by plumbline-trainer",
			dir, cardDir, cardFile, errNotAsPublished)
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
		return card{}, "", fmt.Errorf("%s: %w: %s", dir, errNotAsPublished, firstDifference(c.Files, files))
	}
	return c, wire.Digest(text), nil
}

// writeCard describes the files of a version that was made from a checkpoint with this digest and manifest, and returns
// the card's own digest.
func writeCard(dir, from string, m wire.Manifest) (digest string, err error) {
	files, err := listFiles(dir)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(card{Format: cardForm, Checkpoint: from, Manifest: m, Files: files}, "", "  ")
	if err != nil {
		return "", err
	}
	text = append(text, '\n')
	extra := filepath.Join(dir, cardDir)
	err = errors.Join(os.Mkdir(extra, 0o755), os.WriteFile(filepath.Join(extra, cardFile), text, 0o644))
	if err != nil {
		return "", err
	}
	return wire.Digest(text), nil
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
		digester := wire.NewDigester()
		_, err = io.Copy(digester, f)
		files = append(files, digester.File(filepath.ToSlash(name)))
		return err
	})
	return files, err // WalkDir goes by name
}

// firstDifference names the first file that is not as it should be.
func firstDifference(want, got []wire.File) string {
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
