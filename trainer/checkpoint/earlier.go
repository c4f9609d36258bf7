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

// removeFromEarlier removes files that earlier attempts of the trial left and that nothing needs any more. Without it,
// a trial on a cluster that often interrupts pods would fill the store. It removes
//
//   - resume checkpoints, once this writer has written keepLast resume checkpoints and the oldest of its own has at
//     least as much progress;
//   - best checkpoints that can no longer be chosen, because they are worse than the one with the uri acknowledged.
//     That one is the last best of this writer whose report the stream has acknowledged. A best that a remaining resume
//     checkpoint names stays, whoever wrote either of them, because resuming needs it;
//   - directories that are unfinished or half removed.
//
// It never removes anything of a later attempt. An earlier attempt may still be alive on a node that is considered
// lost. Even then, no checkpoint is removed that an attempt could resume from.
func (w *Writer) removeFromEarlier(acknowledged string) error {
	attempt, ok := attemptOf(filepath.Base(w.dir))
	if !ok || attempt == 1 {
		return nil
	}
	trialDir := filepath.Dir(w.dir)
	oldest := w.oldestResume()
	err := removeObsolete(trialDir, attempt, func(dir, name string) bool {
		if strings.HasPrefix(name, unfinishedPrefix) || strings.HasPrefix(name, DiscardedPrefix) {
			return true
		}
		return strings.HasPrefix(name, wire.CheckpointResume+"-") && oldest != "" && notFurther(name, oldest)
	})
	if err != nil {
		return err
	}
	best := slices.IndexFunc(w.own, func(s ownCheckpoint) bool {
		return s.uri == acknowledged && s.kind == wire.CheckpointBest
	})
	if best < 0 {
		return nil
	}
	remaining, _, err := listResume(trialDir)
	if err != nil {
		return fmt.Errorf("list the resume checkpoints of all attempts: %w", err)
	}
	needed := map[string]bool{}
	for _, e := range remaining {
		if e.manifest.Best != nil {
			needed[e.manifest.Best.Checkpoint.URI] = true
		}
	}
	return removeObsolete(trialDir, attempt, func(dir, name string) bool {
		path := filepath.Join(dir, name)
		return strings.HasPrefix(name, wire.CheckpointBest+"-") && !needed[wire.LocalURI(path)] &&
			worse(path, w.own[best].rank)
	})
}

// notFurther reports whether the resume checkpoint called name has at most as much progress as the one called other.
// The names contain epoch and step as numbers with leading zeros. Therefore the longer name has more progress and, of
// two names of the same length, the one that is later in the alphabet.
func notFurther(name, other string) bool {
	return cmp.Or(cmp.Compare(len(name), len(other)), cmp.Compare(name, other)) <= 0
}

// worse reports whether the best checkpoint in dir is worse than other, so that it can no longer be chosen. It returns
// false for a checkpoint that cannot be read.
func worse(dir string, other wire.EpochValue) bool {
	digest, err := recordedDigest(dir)
	if err != nil {
		return false
	}
	m, err := readManifest(dir, digest)
	return err == nil && m.Metrics != nil && wire.BetterEpoch(other, rank(m))
}

// rank returns the values that decide which of two best checkpoints is better.
func rank(m wire.Manifest) wire.EpochValue {
	v := wire.EpochValue{Epoch: m.Epoch}
	if m.Metrics != nil {
		v.AUCPR = m.Metrics.AUCPR
	}
	return v
}

// oldestResume returns the name of the oldest of this writer's resume checkpoints. The name is empty as long as the
// writer has fewer than keepLast of them.
func (w *Writer) oldestResume() string {
	n, oldest := 0, ""
	for _, s := range w.own {
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

// removeObsolete removes everything that obsolete selects in the directories of the trial's attempts before attempt.
func removeObsolete(trialDir string, attempt int, obsolete func(dir, name string) bool) error {
	writers, err := os.ReadDir(trialDir)
	if err != nil {
		return fmt.Errorf("list earlier attempts: %w", err)
	}
	for _, writer := range writers {
		if n, ok := attemptOf(writer.Name()); !ok || n >= attempt {
			continue
		}
		dir := filepath.Join(trialDir, writer.Name())
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("list the checkpoints of an earlier attempt: %w", err)
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

// attemptOf returns the number of the attempt in a writer's name. ok is false if the name has none.
func attemptOf(writer string) (n int, ok bool) {
	_, rest, found := strings.Cut(writer, "-a")
	if !found {
		return 0, false
	}
	_, err := fmt.Sscanf(rest, "%d-", &n)
	return n, err == nil
}
