package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/wire"
)

// saved is what this writer remembers of a checkpoint of its own.
type saved struct {
	name, uri, kind string
	best            string // resume: uri of the trial's best at that point
}

// Prune removes those of this writer's own checkpoints that nobody needs any more.
func (w *Writer) Prune() error {
	pinned := ""
	if w.pinned != nil {
		pinned = w.pinned()
	}
	keep, remove := retain(w.mine, w.keepLast, pinned)
	w.mine = keep
	for _, s := range remove {
		// First the name, so that a half-removed directory never looks like a checkpoint.
		old := filepath.Join(w.dir, discarded+s.name)
		if err := os.Rename(filepath.Join(w.dir, s.name), old); err != nil {
			return fmt.Errorf("remove an old checkpoint: %w", err)
		}
		failpoint.Here("checkpoint.discard.after")
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("remove an old checkpoint: %w", err)
		}
	}
	return nil
}

// retain divides a writer's checkpoints, oldest first. Kept are
//
//   - the last resume checkpoints: were the newest damaged, the trial would go on from the one before;
//   - the best that each of these names, because going on from it needs that one;
//   - the present best and the one before it, which the operator may still be looking at;
//   - the pinned one: the last best that the operator was told of. While NATS is away it may be older than all these.
func retain(mine []saved, keepLast int, pinned string) (keep, remove []saved) {
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
			remove = append(remove, s)
		}
	}
	return keep, remove
}
