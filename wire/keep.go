package wire

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// KeepMaxAge is how old a list may be when it is acted on, and how far clocks may differ. A Job may wait for hours for its queue or for
// a node, and meanwhile somebody retries a run that the list calls ended. In a quarter of an hour a pod is placed and its image pulled.
const KeepMaxAge = 15 * time.Minute

// Keep is the document that a pruning Job is given: what to leave below one checkpoint store, and of which runs anything may be removed
// at all. What it does not name is left. Checkpoints are named by their place below the store, <run uid>/<trial>/<writer>/<name>,
// because runs may mount one store at several paths.
type Keep struct {
	Version     string    `json:"version"`
	Made        time.Time `json:"made"`        // before the cluster was asked what there is: see KeepMaxAge
	Live        []string  `json:"live"`        // uids of runs that are left whole: they have not ended, or not long enough ago
	Ended       []string  `json:"ended"`       // uids of runs of which the checkpoints that are not named below are removed
	Checkpoints []string  `json:"checkpoints"` // never removed, whoever's they are: bests, and what was promoted

	// Unknown lets the directories of runs that are in neither list go as well, once nothing in them has changed for IdleSeconds. They may
	// be another cluster's.
	Unknown bool `json:"unknown,omitempty"`
	// IdleSeconds without use after which decoded images and, with Unknown, a stranger's directory are removed.
	IdleSeconds int64 `json:"idleSeconds"`
}

// DecodeKeep reads a Keep and refuses one that is not meant as it stands: what is removed cannot be brought back.
func DecodeKeep(b []byte) (Keep, error) {
	var k Keep
	if err := decodeStrict(b, &k); err != nil {
		return Keep{}, fmt.Errorf("read the keep list: %w", err)
	}
	errs := []error{CheckVersion(k.Version)}
	if k.Made.IsZero() {
		errs = append(errs, errors.New("made is missing: without it nobody can tell whether the list still holds"))
	}
	for _, uid := range slices.Concat(k.Live, k.Ended) {
		if !validToken(uid) {
			errs = append(errs, fmt.Errorf("%q is not a run's uid", uid))
		}
	}
	for _, uid := range k.Ended {
		if slices.Contains(k.Live, uid) {
			errs = append(errs, fmt.Errorf("run %s is live and ended", uid))
		}
	}
	for _, c := range k.Checkpoints {
		if place, ok := PlaceOf(c); !ok || place != c {
			errs = append(errs, fmt.Errorf("checkpoint %q is not of the form <run uid>/<trial>/<writer>/<name>", c))
		}
	}
	if k.IdleSeconds < 0 {
		errs = append(errs, fmt.Errorf("idleSeconds %d is negative", k.IdleSeconds))
	}
	return k, errors.Join(errs...)
}

// CheckAge refuses a list that may no longer say what the cluster needs.
func (k Keep) CheckAge(now time.Time) error {
	switch age := now.Sub(k.Made); {
	case age > KeepMaxAge:
		return fmt.Errorf("the keep list is of %s, older than %s: what it lets go may be needed by now, so nothing is removed; run plumb prune again", k.Made.Format(time.RFC3339), KeepMaxAge)
	case age < -KeepMaxAge:
		return fmt.Errorf("the keep list is of %s, and here it is %s: set the clock right that is wrong, then run plumb prune again", k.Made.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}

// PlaceOf is where a checkpoint is below its store, whatever the store is mounted at: the last four elements of its uri.
func PlaceOf(uri string) (place string, ok bool) {
	parts := strings.Split(strings.TrimRight(uri, "/"), "/")
	if len(parts) < 4 {
		return "", false
	}
	parts = parts[len(parts)-4:]
	for i, p := range parts {
		if !validToken(p) && (i < 2 || p == "" || strings.HasPrefix(p, ".")) { // a writer's name may be longer than a token
			return "", false
		}
	}
	return path.Join(parts...), true
}
