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

// ErrNotStore says that a directory holds something that no trainer puts into a checkpoint store.
var ErrNotStore = errors.New("not a checkpoint store")

// Removal is something below a store that nobody needs any more.
type Removal struct {
	Path  string // below the store
	Bytes int64
	Why   string
}

// Stranger is a run's directory of which the keep list says nothing.
type Stranger struct {
	UID     string
	Run     wire.Run // as one of its checkpoints has it; empty where none can be read
	Bytes   int64
	Changed time.Time
}

// Findings are what a survey at a store found.
type Findings struct {
	Removals  []Removal
	Strangers []Stranger // left as they are
	Runs      int        // directories of runs
}

// CacheName is the directory of decoded images beside the runs'.
const CacheName = "cache"

// Survey says what of the store at root may go, and changes nothing. Whatever the list says, a best stays that a resume checkpoint which
// stays may need, and so do all bests of a trial of which the list names none: its reports may never have arrived.
func Survey(root string, keep wire.Keep, now time.Time) (Findings, error) {
	s := surveyor{root: root, keep: keep, now: now, kept: map[string]bool{}, whole: map[string]bool{}}
	runs, err := s.runs()
	if err != nil {
		return Findings{}, fmt.Errorf("look at checkpoint store %s: %w", root, err)
	}
	s.found.Runs = len(runs)
	for _, c := range keep.Checkpoints {
		s.kept[c] = true
	}
	var prune []string
	for _, uid := range runs { // what stays decides what else must
		goes, err := s.mayPrune(uid)
		if err != nil {
			return Findings{}, fmt.Errorf("look at run %s in %s: %w", uid, root, err)
		}
		if goes {
			prune = append(prune, uid)
			err = s.keepUnreported(uid)
		} else {
			err = s.keepBests(uid)
		}
		if err != nil {
			return Findings{}, fmt.Errorf("look at run %s in %s: %w", uid, root, err)
		}
	}
	for _, uid := range prune {
		if err := s.pruneRun(uid); err != nil {
			return Findings{}, fmt.Errorf("look at run %s in %s: %w", uid, root, err)
		}
	}
	if err := s.cache(); err != nil {
		return Findings{}, fmt.Errorf("look at %s: %w", filepath.Join(root, CacheName), err)
	}
	return s.found, nil
}

type surveyor struct {
	root  string
	keep  wire.Keep
	now   time.Time
	kept  map[string]bool // places of checkpoints
	whole map[string]bool // trials, as <run uid>/<trial>, whose bests all stay
	found Findings
}

// runs lists the directories of runs. Anything else that no trainer makes means that this is the wrong directory.
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
			return nil, fmt.Errorf("%w: %s is neither a run's directory (<run uid>/<trial>/<trial>-a<attempt>-<pod uid>) nor %s; nothing was removed", ErrNotStore, filepath.Join(s.root, name), CacheName)
		}
	}
	return uids, nil
}

func (s *surveyor) isRun(uid string) bool {
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	for _, t := range trials {
		writers, errTrial := os.ReadDir(filepath.Join(s.root, uid, t.Name()))
		if errTrial != nil || slices.ContainsFunc(writers, func(w fs.DirEntry) bool { return !w.IsDir() || !strings.HasPrefix(w.Name(), t.Name()+"-a") }) {
			return false
		}
	}
	return err == nil
}

// mayPrune says whether anything of a run may go.
func (s *surveyor) mayPrune(uid string) (goes bool, err error) {
	switch {
	case slices.Contains(s.keep.Live, uid):
		return false, nil
	case slices.Contains(s.keep.Ended, uid):
		return true, nil
	}
	who := Stranger{UID: uid}
	if who.Bytes, who.Changed, err = measure(filepath.Join(s.root, uid)); err != nil {
		return false, err
	}
	if s.keep.Unknown && s.idle(who.Changed) {
		return true, nil
	}
	err = s.manifests(uid, func(m wire.Manifest) { who.Run = m.Run })
	s.found.Strangers = append(s.found.Strangers, who)
	return false, err
}

func (s *surveyor) idle(changed time.Time) bool {
	return s.now.Sub(changed) >= time.Duration(s.keep.IdleSeconds)*time.Second
}

// keepBests keeps what the resume checkpoints of a run that stays need, in whichever run's directory it lies.
func (s *surveyor) keepBests(uid string) error {
	return s.manifests(uid, s.keepBest)
}

func (s *surveyor) keepBest(m wire.Manifest) {
	if m.Best == nil {
		return
	}
	if place, ok := wire.PlaceOf(m.Best.Checkpoint.URI); ok {
		s.kept[place] = true
	}
}

// keepUnreported keeps all bests of each trial of an ended run of which the keep list names none, and the one that its last resume checkpoint
// names, in whichever run's directory: which is the trial's best nobody knows, since the last may be newer than that checkpoint.
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
		if slices.ContainsFunc(s.keep.Checkpoints, func(place string) bool { return strings.HasPrefix(place, trial+"/") }) {
			continue
		}
		s.whole[trial] = true
		found, _, err := list(filepath.Join(s.root, trial))
		if err != nil {
			return err
		}
		if len(found) > 0 {
			s.keepBest(found[0].manifest)
		}
	}
	return nil
}

// manifests reads those of a run's resume checkpoints. One that is damaged is nothing that anybody goes on from.
func (s *surveyor) manifests(uid string, use func(wire.Manifest)) error {
	trials, err := os.ReadDir(filepath.Join(s.root, uid))
	if err != nil {
		return err
	}
	for _, t := range trials {
		found, _, err := list(filepath.Join(s.root, uid, t.Name()))
		if err != nil {
			return err
		}
		for _, c := range found {
			use(c.manifest)
		}
	}
	return nil
}

// pruneRun takes a run that has ended, or a stranger that may go. Of the latter nothing stays where nothing is kept.
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

func (s *surveyor) keepsAny(below string) bool {
	for place := range maps.Keys(s.kept) {
		if strings.HasPrefix(place, below+"/") {
			return true
		}
	}
	return false
}

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
			switch place := dir + "/" + e.Name(); {
			case !e.IsDir() || s.kept[place]:
			case strings.HasPrefix(e.Name(), unfinishedPrefix), strings.HasPrefix(e.Name(), DiscardedPrefix):
				why = "left by a process that was killed"
			case strings.HasPrefix(e.Name(), wire.CheckpointResume+"-"):
				why = "its run has ended"
			case strings.HasPrefix(e.Name(), wire.CheckpointBest+"-") && !s.whole[uid+"/"+trial]:
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

// cache finds decoded images that nobody has used for long. A file that is used is touched.
func (s *surveyor) cache() error {
	entries, err := os.ReadDir(filepath.Join(s.root, CacheName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		ours := strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(e.Name(), DiscardedPrefix), "."), "packed-") // or a half-written one
		info, err := e.Info()
		switch {
		case !ours || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Mode().IsRegular() && s.idle(info.ModTime()):
			s.found.Removals = append(s.found.Removals, Removal{filepath.Join(CacheName, e.Name()), info.Size(), "decoded images that nobody has used lately"})
		}
	}
	return nil
}

func (s *surveyor) addRemoval(path, why string) error {
	bytes, _, err := measure(filepath.Join(s.root, path))
	s.found.Removals = append(s.found.Removals, Removal{path, bytes, why})
	return err
}
