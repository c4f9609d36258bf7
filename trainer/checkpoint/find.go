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

// Refusal is a resume checkpoint that FindResume did not use, and the reason.
type Refusal struct {
	Dir string
	Why error
}

// FindResume returns the trial's resume checkpoint with the most progress, of any writer. The checkpoint is
// undamaged, check accepts it, and the best checkpoint that it names is undamaged as well: without that best, the
// trial would end with a worse one. FindResume also returns the checkpoints that it refused: those with a damaged
// manifest, and unusable ones with more progress. If no checkpoint is usable, the returned checkpoint is nil.
//
// A file that cannot be read now, but perhaps later, is an error and not a refusal: otherwise a stale mount would
// make the trial repeat epochs that the store already has.
func FindResume(
	uri, runUID, trial string, check func(wire.Manifest) error,
) (*Checkpoint, wire.CheckpointRef, []Refusal, error) {
	root, err := wire.LocalPath(uri)
	if err != nil {
		return nil, wire.CheckpointRef{}, nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	entries, refused, err := listResume(filepath.Join(root, wire.WriterDir(runUID, trial, "")))
	if err != nil {
		return nil, wire.CheckpointRef{}, nil, fmt.Errorf("look for checkpoints: %w", err)
	}
	for _, e := range entries {
		found, err := e.load(check)
		if err == nil {
			return found, wire.CheckpointRef{URI: wire.LocalURI(e.dir), Digest: e.digest}, refused, nil
		}
		if isTransient(err) {
			return nil, wire.CheckpointRef{}, nil, fmt.Errorf("read checkpoint %s: %w", e.dir, err)
		}
		refused = append(refused, Refusal{e.dir, err})
	}
	return nil, wire.CheckpointRef{}, refused, nil
}

// resumeEntry is a resume checkpoint of which only the manifest has been read.
type resumeEntry struct {
	dir, digest string
	manifest    wire.Manifest
}

// isTransient reports whether reading again may succeed: err is an error of the file system, and the file system did
// not say that the file is missing or that its directory is none.
func isTransient(err error) bool {
	var failed *fs.PathError
	permanent := errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	return errors.As(err, &failed) && !permanent
}

// listResume returns all resume checkpoints below a trial's directory, the one with the most progress first. refused
// are those whose manifest is damaged.
func listResume(trialDir string) (found []resumeEntry, refused []Refusal, err error) {
	writers, err := os.ReadDir(trialDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // no attempt has written anything yet
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
			c := resumeEntry{dir: filepath.Join(trialDir, w.Name(), e.Name())}
			if c.digest, err = recordedDigest(c.dir); err == nil {
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
	// Two writers with the same progress have the same state; the later attempt has the longer history.
	slices.SortFunc(found, func(a, b resumeEntry) int {
		return cmp.Or(
			compareProgress(b.manifest, a.manifest),
			cmp.Compare(b.manifest.Attempt, a.manifest.Attempt),
			cmp.Compare(b.dir, a.dir),
		)
	})
	return found, refused, nil
}

func compareProgress(a, b wire.Manifest) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Step+int64(a.Skipped), b.Step+int64(b.Skipped)))
}

// load reads the whole checkpoint and verifies it, and the best checkpoint that it names.
func (e resumeEntry) load(check func(wire.Manifest) error) (*Checkpoint, error) {
	if e.manifest.Kind != wire.CheckpointResume {
		return nil, fmt.Errorf("%w: its manifest has the kind %q, not %s",
			ErrDamaged, e.manifest.Kind, wire.CheckpointResume)
	}
	if err := check(e.manifest); err != nil {
		return nil, err
	}
	loaded, err := load(e.dir, e.digest)
	if err != nil {
		return nil, err
	}
	if best := loaded.Manifest.Best; best != nil {
		if _, err := Load(best.Checkpoint); err != nil {
			return nil, fmt.Errorf("its best checkpoint cannot be used: %w", err)
		}
	}
	return &loaded, nil
}
