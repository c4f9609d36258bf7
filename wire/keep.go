package wire

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// KeepMaxAge is how old a keep list may be when a pruning Job reads it, and how far two clocks may differ. A Job may
// wait for hours for its queue or for a node, and meanwhile somebody may retry a run that the list calls ended. A
// quarter of an hour is enough to schedule a pod and to pull its image.
const KeepMaxAge = 15 * time.Minute

// Keep is the keep list, the document that a pruning Job is given. It says which checkpoints in one store must be
// kept, and of which runs anything may be removed at all. Nothing is removed of a run that is in neither Live nor
// Ended, unless Unknown is set. Runs may mount one store at several paths, so a checkpoint is named by its place below
// the store: <run uid>/<trial>/<writer>/<name>.
type Keep struct {
	Version string `json:"version"`
	// Made is the time just before the cluster's objects were listed: see KeepMaxAge.
	Made time.Time `json:"made"`
	// Live are the uids of runs of which nothing is removed: they have not ended, or not long enough ago.
	Live []string `json:"live"`
	// Ended are the uids of runs of which only the checkpoints in Checkpoints are kept.
	Ended []string `json:"ended"`
	// Checkpoints are the places of checkpoints that are never removed, of any run: bests, and promoted ones.
	Checkpoints []string `json:"checkpoints"`
	// Unknown permits removing the directories of runs that are neither in Live nor in Ended, once nothing in them
	// has changed for IdleSeconds. Such runs may belong to another cluster.
	Unknown bool `json:"unknown,omitempty"`
	// IdleSeconds is how long decoded images must be unused before they are removed. With Unknown it is also how long
	// the directory of an unknown run must be unchanged. In seconds, at least 0.
	IdleSeconds int64 `json:"idleSeconds"`
}

// DecodeKeep reads a Keep. It returns an error for every doubt about what is meant, because a removed checkpoint
// cannot be restored.
func DecodeKeep(b []byte) (Keep, error) {
	var k Keep
	if err := decodeStrict(b, &k); err != nil {
		return Keep{}, fmt.Errorf("read the keep list: %w", err)
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
		if place, ok := PlaceOf(c); !ok || place != c {
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
func (k Keep) CheckAge(now time.Time) error {
	switch age := now.Sub(k.Made); {
	case age > KeepMaxAge:
		return fmt.Errorf(keepTooOld, k.Made.Format(time.RFC3339), KeepMaxAge)
	case age < -KeepMaxAge:
		return fmt.Errorf(keepFromFuture, k.Made.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}

// PlaceOf returns the place of a checkpoint below its store: the last four elements of its uri. The place does not
// depend on the path at which the store is mounted. ok is false if the uri has no such place.
func PlaceOf(uri string) (place string, ok bool) {
	parts := strings.Split(strings.TrimRight(uri, "/"), "/")
	if len(parts) < 4 {
		return "", false
	}
	parts = parts[len(parts)-4:]
	for i, p := range parts {
		// The names of a writer and of a checkpoint, the last two, may be longer than a token.
		if !validToken(p) && (i < 2 || p == "" || strings.HasPrefix(p, ".")) {
			return "", false
		}
	}
	return path.Join(parts...), true
}
