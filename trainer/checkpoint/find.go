package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"plumbline.dev/plumbline/wire"
)

// Refusal is a resume checkpoint that was passed over, and why.
type Refusal struct {
	Dir string
	Why error
}

// FindResume returns the resume checkpoint that is furthest on, of any writer of the trial, among those that are whole, that check
// accepts, and whose best is whole as well (going on from one whose best is lost would end with a worse one). Those
// that are further on and were refused are returned beside it. Without any, the checkpoint is nil and the trial begins anew. What cannot
// be read now, and may be later, is an error and no refusal: epochs would be trained again that a stale mount holds.
func FindResume(uri, runUID, trial string, check func(wire.Manifest) error) (*Checkpoint, wire.CheckpointRef, []Refusal, error) {
	root, err := wire.LocalPath(uri)
	if err != nil {
		return nil, wire.CheckpointRef{}, nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	candidates, refused, err := list(filepath.Join(root, wire.WriterDir(runUID, trial, "")))
	if err != nil {
		return nil, wire.CheckpointRef{}, nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	for _, c := range candidates {
		found, err := loadCandidate(c, check)
		if err == nil {
			return found, wire.CheckpointRef{URI: wire.LocalURI(c.dir), Digest: c.digest}, refused, nil
		}
		if isTransient(err) {
			return nil, wire.CheckpointRef{}, nil, fmt.Errorf("look at checkpoint %s: %w", c.dir, err)
		}
		refused = append(refused, Refusal{c.dir, err})
	}
	return nil, wire.CheckpointRef{}, refused, nil
}

// candidate is a resume checkpoint of which only the manifest has been read.
type candidate struct {
	dir, digest string
	manifest    wire.Manifest
}

// isTransient says that reading again may go well: the file system failed, and did not say that something is gone or of another kind.
func isTransient(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed) && !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// list finds all resume checkpoints below a trial's directory, the furthest first.
func list(trialDir string) (found []candidate, refused []Refusal, err error) {
	writers, err := os.ReadDir(trialDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // nobody has written yet
	}
	if err != nil {
		return nil, nil, err
	}
	for _, w := range writers {
		entries, err := os.ReadDir(filepath.Join(trialDir, w.Name()))
		if isTransient(err) {
			return nil, nil, err
		}
		if err != nil {
			refused = append(refused, Refusal{filepath.Join(trialDir, w.Name()), err})
			continue
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), wire.CheckpointResume+"-") {
				continue
			}
			c := candidate{dir: filepath.Join(trialDir, w.Name(), e.Name())}
			if c.digest, err = statedDigest(c.dir); err == nil {
				c.manifest, err = readManifest(c.dir, c.digest)
			}
			if isTransient(err) {
				return nil, nil, err
			}
			if err != nil {
				refused = append(refused, Refusal{c.dir, err})
				continue
			}
			found = append(found, c)
		}
	}
	// The same progress by two writers is the same state; the later attempt's has the longer history.
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(compareProgress(b.manifest, a.manifest), cmp.Compare(b.manifest.Attempt, a.manifest.Attempt), cmp.Compare(b.dir, a.dir))
	})
	return found, refused, nil
}

func compareProgress(a, b wire.Manifest) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Step+int64(a.Skipped), b.Step+int64(b.Skipped)))
}

func loadCandidate(c candidate, check func(wire.Manifest) error) (*Checkpoint, error) {
	if c.manifest.Kind != wire.CheckpointResume {
		return nil, fmt.Errorf("%w: its manifest says that it is a %s checkpoint", ErrDamaged, c.manifest.Kind)
	}
	if err := check(c.manifest); err != nil {
		return nil, err
	}
	loaded, err := load(c.dir, c.digest)
	if err != nil {
		return nil, err
	}
	if best := loaded.Manifest.Best; best != nil {
		if _, err := Load(best.Checkpoint); err != nil {
			return nil, fmt.Errorf("the best that it names: %w", err)
		}
	}
	return &loaded, nil
}
