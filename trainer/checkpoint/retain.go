package checkpoint

import "plumbline.dev/plumbline/wire"

// ownCheckpoint is what a writer remembers of a checkpoint that it has saved.
type ownCheckpoint struct {
	name, uri, kind string
	best            string          // of a resume checkpoint: uri of the trial's best at that point
	rank            wire.EpochValue // of a best checkpoint: the values that decide which of two is better
}

// RemoveOvertaken removes those of this writer's checkpoints that are no longer needed, and those of earlier attempts
// that this writer's checkpoints replace.
func (w *Writer) RemoveOvertaken() error {
	pinned := ""
	if w.pinned != nil {
		pinned = w.pinned()
	}
	keep, discard := retain(w.own, w.keepLast, pinned)
	w.own = keep
	for _, s := range discard {
		if err := remove(w.dir, s.name); err != nil {
			return err
		}
	}
	return w.removeFromEarlier(pinned)
}

// retain divides a writer's checkpoints, which are ordered from the oldest to the newest, into those to keep and
// those to discard. It keeps
//
//   - the last keepLast resume checkpoints: if the newest is damaged, the trial resumes from the one before;
//   - the best that each of these names, because resuming needs it;
//   - the present best and the one before it, which the operator may still have in the run's status;
//   - the checkpoint with the uri pinned: the last best whose report has been delivered. During an outage of NATS it
//     may be older than all the others.
func retain(own []ownCheckpoint, keepLast int, pinned string) (keep, discard []ownCheckpoint) {
	needed := map[string]bool{pinned: true}
	stillToKeep := map[string]int{wire.CheckpointResume: keepLast, wire.CheckpointBest: 2}
	for i := len(own) - 1; i >= 0; i-- {
		if s := own[i]; stillToKeep[s.kind] > 0 {
			stillToKeep[s.kind]--
			needed[s.uri], needed[s.best] = true, true
		}
	}
	for _, s := range own {
		if needed[s.uri] {
			keep = append(keep, s)
		} else {
			discard = append(discard, s)
		}
	}
	return keep, discard
}
