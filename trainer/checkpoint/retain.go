package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/wire"
)

// saved is what this writer remembers of a checkpoint of its own.
type saved struct {
	name, uri, kind string
	best            string // resume: uri of the trial's best at that point

	rank wire.EpochValue // best: what it is compared by
}

// RemoveOvertaken removes those of this writer's own checkpoints that nobody needs any more, and those of earlier attempts that it has
// overtaken.
func (w *Writer) RemoveOvertaken() error {
	pinned := ""
	if w.pinned != nil {
		pinned = w.pinned()
	}
	keep, discard := retain(w.mine, w.keepLast, pinned)
	w.mine = keep
	for _, s := range discard {
		if err := remove(w.dir, s.name); err != nil {
			return err
		}
	}
	return w.supersede(pinned)
}

// remove takes the name first, so that a half-removed directory never looks like a checkpoint.
func remove(dir, name string) error {
	old := filepath.Join(dir, DiscardedPrefix+strings.TrimPrefix(name, DiscardedPrefix))
	if name != filepath.Base(old) {
		if err := os.Rename(filepath.Join(dir, name), old); err != nil {
			return fmt.Errorf("remove an old checkpoint: %w", err)
		}
	}
	failpoint.Here("checkpoint.discard.after")
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("remove an old checkpoint: %w", err)
	}
	return nil
}

// retain divides a writer's checkpoints, oldest first. Kept are
//
//   - the last resume checkpoints: were the newest damaged, the trial would go on from the one before;
//   - the best that each of these names, because going on from it needs that one;
//   - the present best and the one before it, which the operator may still be looking at;
//   - the pinned one: the last best that the operator was told of. While NATS is away it may be older than all these.
func retain(mine []saved, keepLast int, pinned string) (keep, discard []saved) {
	needed := map[string]bool{pinned: true}
	left := map[string]int{wire.CheckpointResume: keepLast, wire.CheckpointBest: 2}
	for i := len(mine) - 1; i >= 0; i-- {
		if s := mine[i]; left[s.kind] > 0 {
			left[s.kind]--
			needed[s.uri], needed[s.best] = true, true
		}
	}
	for _, s := range mine {
		if needed[s.uri] {
			keep = append(keep, s)
		} else {
			discard = append(discard, s)
		}
	}
	return keep, discard
}
