package wire

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// KeepMaxAge is how old a keep list may be when a pruning Job reads it, and how far two clocks may differ. A Job may
// wait for hours for its queue or for a node, and meanwhile somebody may retry a run that the list calls ended. A
// quarter of an hour is enough to schedule a pod and to pull its image.
const KeepMaxAge = 15 * time.Minute

// KeepList is the document that a pruning Job receives. It says which checkpoints in one checkpoint store must be kept,
// and from which runs anything may be removed. Nothing is removed from a run that is in neither Live nor Ended, unless
// Unknown is set. A checkpoint is named by its StorePath, because runs may mount one store at several paths.
type KeepList struct {
	Version string `json:"version"`
	// Made is the time just before the cluster's objects were listed: see KeepMaxAge.
	Made time.Time `json:"made"`
	// Live are the uids of runs from which nothing is removed: they have not ended, or ended too recently.
	Live []string `json:"live"`
	// Ended are the uids of ended runs. Of their checkpoints only those in Checkpoints are kept.
	Ended []string `json:"ended"`
	// Checkpoints are the store paths of checkpoints that are never removed, of any run: bests, and promoted ones.
	Checkpoints []string `json:"checkpoints"`
	// Unknown permits removing the directories of runs that are neither in Live nor in Ended, once nothing in them
	// has changed for IdleSeconds. Such runs may belong to another cluster.
	Unknown bool `json:"unknown,omitempty"`
	// IdleSeconds is how long decoded images must be unused before they are removed. With Unknown it is also how long
	// the directory of an unknown run must be unchanged. In seconds, at least 0.
	IdleSeconds int64 `json:"idleSeconds"`
}

// DecodeKeepList reads a KeepList. It returns an error if any part of the list is ambiguous, because a removed
// checkpoint cannot be restored.
func DecodeKeepList(b []byte) (KeepList, error) {
	var k KeepList
	if err := decodeStrict(b, &k); err != nil {
		return KeepList{}, fmt.Errorf("read the keep list: %w", err)
	}
	errs := []error{CheckVersion(k.Version)}
	if k.Made.IsZero() {
		errs = append(errs, errors.New("made is missing: it must be the time at which the list was made"))
	}
	for _, uid := range slices.Concat(k.Live, k.Ended) {
		if !validToken(uid) {
			errs = append(errs, fmt.Errorf("%q is not a run's uid: a uid has %s", uid, tokenForm))
		}
	}
	for _, uid := range k.Ended {
		if slices.Contains(k.Live, uid) {
			errs = append(errs, fmt.Errorf("run %s is live and ended: name it in one of the two lists", uid))
		}
	}
	for _, c := range k.Checkpoints {
		if storePath, ok := StorePath(c); !ok || storePath != c {
			errs = append(errs, fmt.Errorf("checkpoint %q is not of the form <run uid>/<trial>/<writer>/<name>", c))
		}
	}
	if k.IdleSeconds < 0 {
		errs = append(errs, fmt.Errorf("idleSeconds %d is below 0", k.IdleSeconds))
	}
	return k, errors.Join(errs...)
}

const (
	keepTooOld = "the keep list was made at %s, more than %s ago: by now a run may need a checkpoint that is not in " +
		"it, so nothing is removed; run plumb prune again"
	keepFromFuture = "the keep list was made at %s, but the clock here says %s: " +
		"correct the clock that is wrong, then run plumb prune again"
)

// CheckAge returns an error if the list was made more than KeepMaxAge before or after now. If the list is older, a run
// may by now need checkpoints that the list does not name. If the list is from the future, one of the clocks is wrong.
func (k KeepList) CheckAge(now time.Time) error {
	switch age := now.Sub(k.Made); {
	case age > KeepMaxAge:
		return fmt.Errorf(keepTooOld, k.Made.Format(time.RFC3339), KeepMaxAge)
	case age < -KeepMaxAge:
		return fmt.Errorf(keepFromFuture, k.Made.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}
