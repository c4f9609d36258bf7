package checkpoint

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// supersede removes what earlier attempts of the trial left and nobody will need: on a cluster that takes pods away often, a trial
// would otherwise fill the store. It removes
//
//   - resume checkpoints, once this writer has as many of its own as are kept and they are at least as far;
//   - bests that are worse than acknowledged, the last one of this writer that the stream has acknowledged: nobody can choose them any more.
//     One that a resume checkpoint names stays as long as that one does, whoever wrote it: without its best nobody goes on from it;
//   - what was left half-written.
//
// It never touches a later attempt's things. Should an earlier attempt still be alive, on a node that was given up, it loses nothing
// that anybody would go on from.
func (w *Writer) supersede(acknowledged string) error {
	attempt, ok := attemptOf(filepath.Base(w.dir))
	if !ok || attempt == 1 {
		return nil
	}
	trial := filepath.Dir(w.dir)
	oldest := w.oldestResume()
	if err := removeOfEarlier(trial, attempt, func(dir, name string) bool {
		return strings.HasPrefix(name, unfinishedPrefix) || strings.HasPrefix(name, DiscardedPrefix) ||
			strings.HasPrefix(name, wire.CheckpointResume+"-") && oldest != "" && notFurther(name, oldest)
	}); err != nil {
		return err
	}
	mine := slices.IndexFunc(w.mine, func(s saved) bool { return s.uri == acknowledged && s.kind == wire.CheckpointBest })
	if mine < 0 {
		return nil
	}
	left, _, err := list(trial)
	if err != nil {
		return fmt.Errorf("look for what can be gone on from: %w", err)
	}
	needed := map[string]bool{}
	for _, c := range left {
		if c.manifest.Best != nil {
			needed[c.manifest.Best.Checkpoint.URI] = true
		}
	}
	return removeOfEarlier(trial, attempt, func(dir, name string) bool {
		return strings.HasPrefix(name, wire.CheckpointBest+"-") && !needed[wire.LocalURI(filepath.Join(dir, name))] &&
			worse(filepath.Join(dir, name), w.mine[mine].rank)
	})
}

// notFurther compares the names of two resume checkpoints: they say how far they are, in numbers that are padded up to a width.
func notFurther(name, than string) bool {
	return cmp.Or(cmp.Compare(len(name), len(than)), cmp.Compare(name, than)) <= 0
}

// worse says whether the best checkpoint in dir can be chosen no more. One that cannot be read can: it is not ours to judge.
func worse(dir string, than wire.EpochValue) bool {
	digest, err := statedDigest(dir)
	if err != nil {
		return false
	}
	m, err := readManifest(dir, digest)
	return err == nil && m.Metrics != nil && wire.BetterEpoch(than, rank(m))
}

func rank(m wire.Manifest) wire.EpochValue {
	v := wire.EpochValue{Epoch: m.Epoch}
	if m.Metrics != nil {
		v.Value = m.Metrics.AUCPR
	}
	return v
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

// removeOfEarlier removes what is obsolete in the directories of a trial's attempts before one.
func removeOfEarlier(trial string, attempt int, obsolete func(dir, name string) bool) error {
	writers, err := os.ReadDir(trial)
	if err != nil {
		return fmt.Errorf("look for what earlier attempts left: %w", err)
	}
	for _, writer := range writers {
		if n, ok := attemptOf(writer.Name()); !ok || n >= attempt {
			continue
		}
		dir := filepath.Join(trial, writer.Name())
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("look for what an earlier attempt left: %w", err)
		}
		for _, e := range entries {
			if !obsolete(dir, e.Name()) {
				continue
			}
			if err := remove(dir, e.Name()); err != nil {
				return err
			}
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
