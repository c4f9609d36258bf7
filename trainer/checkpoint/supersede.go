package checkpoint

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// supersede removes what earlier attempts of the trial left to go on from, once this writer has as much of its own that is at least
// as far: on a cluster that takes pods away often, a trial would otherwise fill the store. It never touches a best, which the
// operator may have chosen, nor anything of a later attempt. Should an earlier attempt still be alive, on a node that was given
// up, it loses nothing that anybody would go on from.
func (w *Writer) supersede() error {
	own := w.oldestResume()
	attempt, ok := attemptOf(filepath.Base(w.dir))
	if own == "" || !ok {
		return nil
	}
	writers, err := os.ReadDir(filepath.Dir(w.dir))
	if err != nil {
		return fmt.Errorf("look for what earlier attempts left: %w", err)
	}
	for _, e := range writers {
		if n, ok := attemptOf(e.Name()); !ok || n >= attempt {
			continue
		}
		if err := removeResumable(filepath.Join(filepath.Dir(w.dir), e.Name()), own); err != nil {
			return err
		}
	}
	return nil
}

// oldestResume names the oldest of this writer's resume checkpoints, once it has as many as are kept.
func (w *Writer) oldestResume() string {
	n, oldest := 0, ""
	for _, s := range w.mine {
		if s.kind == wire.CheckpointResume {
			if n++; oldest == "" {
				oldest = s.name
			}
		}
	}
	if n < w.keepLast {
		return ""
	}
	return oldest
}

// removeResumable removes a writer's resume checkpoints that are not further than upTo, and what it left half-written. Their names
// say how far they are, and are ordered as that is.
func removeResumable(dir, upTo string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for what an earlier attempt left: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		whole := strings.HasPrefix(name, wire.CheckpointResume+"-") && cmp.Or(cmp.Compare(len(name), len(upTo)), cmp.Compare(name, upTo)) <= 0
		part := strings.HasPrefix(name, unfinished) || strings.HasPrefix(name, discarded)
		if !whole && !part {
			continue
		}
		if err := remove(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// attemptOf reads the attempt off a writer's name.
func attemptOf(writer string) (n int, ok bool) {
	_, rest, found := strings.Cut(writer, "-a")
	if !found {
		return 0, false
	}
	_, err := fmt.Sscanf(rest, "%d-", &n)
	return n, err == nil
}
