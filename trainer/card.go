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

// card is the document beside the SavedModel of a model version. It says from which checkpoint the version was made,
// and lists the version's files.
type card struct {
	Format     string        `json:"format"`     // cardForm
	Checkpoint string        `json:"checkpoint"` // the digest of the checkpoint's manifest
	Manifest   wire.Manifest `json:"manifest"`   // the checkpoint's manifest
	Files      []wire.File   `json:"files"`      // all files but the card, by path below the version, sorted
}

// The card's format and its place below a version. TensorFlow Serving ignores assets.extra.
const (
	cardForm = "plumbline.dev/model/v1"
	cardDir  = "assets.extra"
	cardFile = "plumbline.json"
)

// errNotAsPublished says that a version exists and differs from what was published.
var errNotAsPublished = errors.New("not as plumbline-trainer published it")

// readCard reads a version's card and verifies every file of the version. digest is the digest of the card, and so it
// identifies the whole version. The error wraps errNotAsPublished if the card or a file is not as it must be.
func readCard(dir string) (c card, digest string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, cardDir, cardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return card{}, "", fmt.Errorf("%s is %w: it has no %s/%s", dir, errNotAsPublished, cardDir, cardFile)
	}
	if err != nil {
		return card{}, "", err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return card{}, "", fmt.Errorf("%s is %w: read %s/%s: %w", dir, errNotAsPublished, cardDir, cardFile, err)
	}
	if c.Format != cardForm {
		return card{}, "", fmt.Errorf("%s is %w: its format is %q, not %s", dir, errNotAsPublished, c.Format, cardForm)
	}
	files, err := listFiles(dir)
	if err != nil {
		return card{}, "", err
	}
	if !slices.Equal(files, c.Files) {
		return card{}, "", fmt.Errorf("%s is %w: %s", dir, errNotAsPublished, firstDifference(c.Files, files))
	}
	return c, wire.Digest(text), nil
}

// writeCard writes the card of the version in dir and returns the digest of the card. checkpoint is the digest of the
// checkpoint that the version was made from, and m is its manifest.
func writeCard(dir, checkpoint string, m wire.Manifest) (digest string, err error) {
	files, err := listFiles(dir)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(card{Format: cardForm, Checkpoint: checkpoint, Manifest: m, Files: files}, "", "  ")
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

// listFiles returns name and digest of all files of a version but the card, sorted by name.
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
		digester := wire.NewDigester()
		_, err = io.Copy(digester, f)
		files = append(files, digester.File(filepath.ToSlash(name)))
		return errors.Join(err, f.Close())
	})
	return files, err // WalkDir visits the files in the order of their names
}

// firstDifference describes the first file that differs.
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
			return g.Name + " was not published with it"
		}
	}
	return "its files are listed in another order"
}
