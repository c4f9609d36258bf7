package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"plumbline.dev/plumbline/wire"
)

// ErrNotStore reports that a directory contains something that no trainer writes into a checkpoint store.
var ErrNotStore = errors.New("not a checkpoint store")

// Removal is a directory or file below a store that may be removed.
type Removal struct {
	Path  string // relative to the store
	Bytes int64
	Why   string // the reason, for people
}

// UnknownRun is the directory of a run that is neither live nor ended according to the keep list.
type UnknownRun struct {
	UID     string
	Run     wire.Run // from one of the run's checkpoints; empty if none can be read
	Bytes   int64
	Changed time.Time // of the latest change below the directory
}

// Findings are the result of a survey of a store.
type Findings struct {
	Removals    []Removal
	UnknownRuns []UnknownRun // unknown runs from which nothing is removed
	Runs        int          // number of directories of runs
}

// CacheName is the name of the directory of decoded images in a store, next to the directories of runs.
const CacheName = "cache"

// Survey returns what may be removed from the store at root according to the keep list. It changes nothing. In two
// cases it keeps best checkpoints that the list does not name. It keeps those that a remaining resume checkpoint may
// need. And if the list names no best of a trial, it keeps all bests of that trial, because the trial's reports may
// never have arrived.
func Survey(root string, keep wire.KeepList, now time.Time) (Findings, error) {
	s := surveyor{root: root, keep: keep, now: now, kept: map[string]bool{}, keepsAllBests: map[string]bool{}}
	runs, err := s.runs()
	if err != nil {
		return Findings{}, fmt.Errorf("survey checkpoint store %s: %w", root, err)
	}
	s.found.Runs = len(runs)
	for _, c := range keep.Checkpoints {
		s.kept[c] = true
	}
	var prune []string
	// First collect everything that must be kept, then what may be removed: one run may need another run's
	// checkpoint.
	for _, uid := range runs {
		mayPrune, err := s.mayPrune(uid)
		if err != nil {
			return Findings{}, fmt.Errorf("survey run %s in %s: %w", uid, root, err)
		}
		if mayPrune {
			prune = append(prune, uid)
			err = s.keepUnreported(uid)
		} else {
			err = s.keepBests(uid)
		}
		if err != nil {
			return Findings{}, fmt.Errorf("survey run %s in %s: %w", uid, root, err)
		}
	}
	for _, uid := range prune {
		if err := s.pruneRun(uid); err != nil {
			return Findings{}, fmt.Errorf("survey run %s in %s: %w", uid, root, err)
		}
	}
	if err := s.cache(); err != nil {
		return Findings{}, fmt.Errorf("survey %s: %w", filepath.Join(root, CacheName), err)
	}
	return s.found, nil
}

type surveyor struct {
	root  string
	keep  wire.KeepList
	now   time.Time
	kept  map[string]bool // store paths of checkpoints that must be kept
	found Findings

	keepsAllBests map[string]bool // trials, as <run uid>/<trial>, of which all best checkpoints are kept
}

// runs returns the uids of the runs that have a directory in the store. Anything that no trainer creates is an error,
// because root is then not a checkpoint store.
func (s *surveyor) runs() (uids []string, err error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == CacheName && e.IsDir(), name == ".lock", name == "lost+found":
		case strings.HasPrefix(name, DiscardedPrefix) && e.IsDir():
			if err := s.addRemoval(name, "left by a prune that was killed"); err != nil {
				return nil, err
			}
		case e.IsDir() && s.isRun(name):
			uids = append(uids, name)
		default:
			return nil, fmt.Errorf(notStore, ErrNotStore, filepath.Join(s.root, name), CacheName)
		}
	}
	return uids, nil
}

const notStore = "%w: %s is neither a run's directory (<run uid>/<trial>/<trial>-a<attempt>-<pod uid>) nor %s; " +
	"nothing was removed"

// isRun reports whether a directory of the store has the structure of a run's directory.
func (s *surveyor) isRun(uid string) bool {
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	for _, t := range trials {
		writers, errTrial := os.ReadDir(filepath.Join(s.root, uid, t.Name()))
		isOther := func(e fs.DirEntry) bool { return !e.IsDir() || !strings.HasPrefix(e.Name(), t.Name()+"-a") }
		if errTrial != nil || slices.ContainsFunc(writers, isOther) {
			return false
		}
	}
	return err == nil
}

// mayPrune reports whether anything of a run may be removed. It adds an unknown run of which nothing may be removed
// to the findings.
func (s *surveyor) mayPrune(uid string) (ok bool, err error) {
	switch {
	case slices.Contains(s.keep.Live, uid):
		return false, nil
	case slices.Contains(s.keep.Ended, uid):
		return true, nil
	}
	unknown := UnknownRun{UID: uid}
	if unknown.Bytes, unknown.Changed, err = measure(filepath.Join(s.root, uid)); err != nil {
		return false, err
	}
	if s.keep.Unknown && s.idle(unknown.Changed) {
		return true, nil
	}
	err = s.manifests(uid, func(m wire.Manifest) { unknown.Run = m.Run })
	s.found.UnknownRuns = append(s.found.UnknownRuns, unknown)
	return false, err
}

// idle reports whether something that was last changed or used at this time has been idle for the keep list's
// IdleSeconds.
func (s *surveyor) idle(changed time.Time) bool {
	return s.now.Sub(changed) >= time.Duration(s.keep.IdleSeconds)*time.Second
}

// keepBests keeps the bests that the resume checkpoints of a run need. A best may be in the directory of another run.
func (s *surveyor) keepBests(uid string) error {
	return s.manifests(uid, s.keepBest)
}

// keepBest keeps the best checkpoint that a resume checkpoint names, if it names one.
func (s *surveyor) keepBest(m wire.Manifest) {
	if m.Best == nil {
		return
	}
	if storePath, ok := wire.StorePath(m.Best.Checkpoint.URI); ok {
		s.kept[storePath] = true
	}
}

// keepUnreported deals with the trials of an ended run that have no checkpoint in the keep list. It keeps all bests of
// such a trial, and the best that the trial's last resume checkpoint names, which may be in the directory of another
// run. It is not known which of them is the trial's best: a best may be newer than the last resume checkpoint.
func (s *surveyor) keepUnreported(uid string) error {
	if !slices.Contains(s.keep.Ended, uid) {
		return nil
	}
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	if err != nil {
		return err
	}
	for _, t := range trials {
		trial := uid + "/" + t.Name()
		isOfTrial := func(storePath string) bool { return strings.HasPrefix(storePath, trial+"/") }
		if slices.ContainsFunc(s.keep.Checkpoints, isOfTrial) {
			continue
		}
		s.keepsAllBests[trial] = true
		entries, _, err := listResume(filepath.Join(s.root, trial))
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			s.keepBest(entries[0].manifest)
		}
	}
	return nil
}

// manifests calls use with the manifest of each of a run's resume checkpoints. It skips damaged ones, because no
// trial resumes from them.
func (s *surveyor) manifests(uid string, use func(wire.Manifest)) error {
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	if err != nil {
		return err
	}
	for _, t := range trials {
		entries, _, err := listResume(filepath.Join(s.root, uid, t.Name()))
		if err != nil {
			return err
		}
		for _, e := range entries {
			use(e.manifest)
		}
	}
	return nil
}

// pruneRun adds to the findings what may be removed of a run that has ended, or of an unknown run that mayPrune has
// permitted. The directory of an unknown run may be removed as a whole if nothing in it is kept.
func (s *surveyor) pruneRun(uid string) error {
	if !slices.Contains(s.keep.Ended, uid) && !s.keepsAny(uid) {
		return s.addRemoval(uid, "no run of this uid exists")
	}
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	if err != nil {
		return err
	}
	for _, t := range trials {
		if err := s.pruneTrial(uid, t.Name()); err != nil {
			return err
		}
	}
	return nil
}

// keepsAny reports whether any checkpoint of a run is kept.
func (s *surveyor) keepsAny(uid string) bool {
	for storePath := range maps.Keys(s.kept) {
		if strings.HasPrefix(storePath, uid+"/") {
			return true
		}
	}
	return false
}

// pruneTrial adds to the findings what may be removed of one trial.
func (s *surveyor) pruneTrial(uid, trial string) error {
	writers, err := os.ReadDir(filepath.Join(s.root, uid, trial))
	if err != nil {
		return err
	}
	for _, w := range writers {
		dir := wire.WriterDir(uid, trial, w.Name())
		entries, err := os.ReadDir(filepath.Join(s.root, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			why := ""
			switch storePath := dir + "/" + e.Name(); {
			case !e.IsDir() || s.kept[storePath]:
			case strings.HasPrefix(e.Name(), unfinishedPrefix), strings.HasPrefix(e.Name(), DiscardedPrefix):
				why = "left by a process that was killed"
			case strings.HasPrefix(e.Name(), wire.CheckpointResume+"-"):
				why = "its run has ended"
			case strings.HasPrefix(e.Name(), wire.CheckpointBest+"-") && !s.keepsAllBests[uid+"/"+trial]:
				why = "not its trial's best"
			}
			if why != "" {
				if err := s.addRemoval(filepath.Join(dir, e.Name()), why); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cache adds to the findings the decoded images that have been idle. A trial that uses a file sets its modification
// time.
func (s *surveyor) cache() error {
	entries, err := os.ReadDir(filepath.Join(s.root, CacheName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		// A half-written file begins with a dot, a half-removed one with DiscardedPrefix.
		name := strings.TrimPrefix(strings.TrimPrefix(e.Name(), DiscardedPrefix), ".")
		info, err := e.Info()
		switch {
		case !strings.HasPrefix(name, "packed-") || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Mode().IsRegular() && s.idle(info.ModTime()):
			s.found.Removals = append(s.found.Removals, Removal{
				filepath.Join(CacheName, e.Name()), info.Size(), "decoded images that nobody has used lately",
			})
		}
	}
	return nil
}

// addRemoval adds a removal of path, which is relative to the store, to the findings.
func (s *surveyor) addRemoval(path, why string) error {
	bytes, _, err := measure(filepath.Join(s.root, path))
	s.found.Removals = append(s.found.Removals, Removal{path, bytes, why})
	return err
}
