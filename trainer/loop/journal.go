package loop

import (
	"encoding/json"
	"fmt"
	"sync"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// journal writes checkpoints and reports in the background, while training continues. It writes them strictly in the
// order in which they were put in. Therefore a report that names a checkpoint comes after that checkpoint's commit,
// sequence numbers have no gaps, and a resume checkpoint's history holds every report before it.
type journal struct {
	writer   string
	trial    wire.Trial
	world    World
	entries  chan entry
	snapshot chan struct{} // holds a token while a snapshot is in memory
	done     chan struct{}

	mu     sync.Mutex
	failed error

	// Owned by the goroutine; others may read these fields after a flush.
	sequence int64
	history  []wire.Report // without heartbeats: sending one again would say nothing
	best     *wire.BestSoFar
}

// entry is a group of things that are written together, in the order of the fields. Any of them may be nil.
type entry struct {
	best    *checkpoint.Checkpoint // if set, the report of this entry names it
	report  *wire.Report
	resume  *checkpoint.Checkpoint
	flushed chan struct{} // closed when this entry and all entries before it are written
}

// maxQueued is how many entries may wait to be written before put blocks training. While a store hangs, one heartbeat
// in ten seconds fills the queue in almost three hours.
const maxQueued = 1024

// newJournal starts a journal. Its caller must call finish.
func newJournal(cfg Config, world World) *journal {
	j := &journal{
		writer:   cfg.Writer,
		trial:    cfg.Trial,
		world:    world,
		entries:  make(chan entry, maxQueued),
		snapshot: make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	go j.work()
	return j
}

// reserveSnapshot blocks until no snapshot is in memory. The next entry must hold a checkpoint.
func (j *journal) reserveSnapshot() { j.snapshot <- struct{}{} }

// put adds an entry.
func (j *journal) put(e entry) { j.entries <- e }

// flush blocks until every entry so far is written. It returns the first error of any write.
func (j *journal) flush() error {
	flushed := make(chan struct{})
	j.put(entry{flushed: flushed})
	<-flushed
	return j.err()
}

// finish blocks until every entry is written, and ends the journal.
func (j *journal) finish() {
	close(j.entries)
	<-j.done
}

// err returns the first error of any write, so far.
func (j *journal) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// work writes the entries until finish is called.
func (j *journal) work() {
	defer close(j.done)
	for e := range j.entries {
		if j.err() == nil { // after an error nothing more is written, because the order would be broken
			if err := j.write(e); err != nil {
				j.mu.Lock()
				j.failed = fmt.Errorf("%w: %w", ErrStore, err)
				j.mu.Unlock()
			}
		}
		if e.best != nil || e.resume != nil {
			<-j.snapshot
		}
		if e.flushed != nil {
			close(e.flushed)
		}
	}
}

// write writes one entry and updates the journal's state.
func (j *journal) write(e entry) error {
	var named *wire.CheckpointRef
	if e.best != nil {
		m := &e.best.Manifest
		m.LastSequence, e.best.History = j.sequence, j.history
		ref, err := j.save(*e.best)
		if err != nil {
			return err
		}
		j.best = &wire.BestSoFar{Checkpoint: ref, Epoch: m.Epoch, Metrics: *m.Metrics, Calibration: m.Calibration}
		named = &ref
	}
	if e.report != nil {
		r := *e.report // a copy, because the loop still reads its report
		if named != nil {
			r.Checkpoint = named
		}
		if err := j.spool(r); err != nil {
			return err
		}
	}
	if e.resume != nil {
		e.resume.Manifest.Best, e.resume.Manifest.LastSequence, e.resume.History = j.best, j.sequence, j.history
		if _, err := j.save(*e.resume); err != nil {
			return err
		}
	}
	if e.best != nil || e.resume != nil {
		if err := j.world.Store.RemoveOvertaken(); err != nil {
			j.world.Log.Warn("cannot remove an old checkpoint", "error", err)
		}
	}
	return nil
}

// save commits a checkpoint and then calls Worked, for the watchdog.
func (j *journal) save(c checkpoint.Checkpoint) (wire.CheckpointRef, error) {
	ref, err := j.world.Store.Save(c)
	if err == nil {
		m := c.Manifest
		j.world.Worked(m.Epoch, fmt.Sprintf("the writing of the %s checkpoint of step %d", m.Kind, m.Step))
	}
	return ref, err
}

// spool gives a report this writer's identity and the next sequence number, and spools it.
func (j *journal) spool(r wire.Report) error {
	j.sequence++
	r.Version, r.RunUID, r.Trial, r.Attempt = wire.Version, j.trial.Run.UID, j.trial.Name, j.trial.Attempt
	r.Writer, r.Sequence = j.writer, j.sequence
	r = shrink(r)
	if err := r.Validate(); err != nil {
		return fmt.Errorf("a report that the operator would refuse: %w", err)
	}
	if r.Kind != wire.ReportHeartbeat {
		j.history = append(j.history, r)
	}
	if err := j.world.Spool(r); err != nil {
		return fmt.Errorf("spool report %d: %w", r.Sequence, err)
	}
	return nil
}

// shrink returns a report that is small enough to be read. It shortens a long message. If the scores make the report
// too large it removes them, and the message says so.
func shrink(r wire.Report) wire.Report {
	if len(r.Message) > wire.MaxMessageRunes { // a text never has more runes than bytes
		r.Message = string([]rune(r.Message)[:min(wire.MaxMessageRunes, len([]rune(r.Message)))])
	}
	if r.Scores == nil {
		return r
	}
	text, err := json.Marshal(r)
	if err == nil && len(text) <= wire.MaxReportBytes && len(r.Scores) <= wire.MaxScores {
		return r
	}
	r.Message = fmt.Sprintf(scoresLeftOut, len(r.Scores), wire.MaxScores, wire.MaxReportBytes)
	r.Scores = nil
	return r
}

// scoresLeftOut is the message of a report whose scores were removed.
const scoresLeftOut = "the scores of %d validation samples are left out: a report holds at most %d scores and %d bytes"
