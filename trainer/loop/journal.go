package loop

import (
	"encoding/json"
	"fmt"
	"sync"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/wire"
)

// journal writes checkpoints and reports in the background, strictly in the order in which they are put in: a report that
// names a checkpoint comes after that checkpoint's commit, sequence numbers have no gaps, and a resume checkpoint's history
// holds every report before it. Steps go on meanwhile.
type journal struct {
	writer   string
	trial    wire.Trial
	world    World
	entries  chan entry
	snapshot chan struct{} // holds a token while a snapshot is in memory
	done     chan struct{}

	mu     sync.Mutex
	failed error

	// Owned by the goroutine; others may look after a flush.
	sequence int64
	history  []wire.Report // without heartbeats, which nobody wants to hear twice
	best     *wire.BestSoFar
}

// entry is what is written together, in this order.
type entry struct {
	best    *checkpoint.Checkpoint // then report names it
	report  *wire.Report
	resume  *checkpoint.Checkpoint
	flushed chan struct{} // closed when everything before it is written
}

// waiting entries do not hold up training; there is about one heartbeat in ten seconds.
const waiting = 1024

func newJournal(cfg Config, world World) *journal {
	j := &journal{
		writer: cfg.Writer, trial: cfg.Trial, world: world,
		entries: make(chan entry, waiting), snapshot: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go j.work()
	return j
}

// reserveSnapshot waits until no snapshot is in memory. The next entry must bring one.
func (j *journal) reserveSnapshot() { j.snapshot <- struct{}{} }

func (j *journal) put(e entry) { j.entries <- e }

// flush waits until everything is written.
func (j *journal) flush() error {
	flushed := make(chan struct{})
	j.put(entry{flushed: flushed})
	<-flushed
	return j.err()
}

func (j *journal) finish() {
	close(j.entries)
	<-j.done
}

func (j *journal) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

func (j *journal) work() {
	defer close(j.done)
	for e := range j.entries {
		if j.err() == nil { // after an error nothing more is written: the order would be broken
			if err := j.write(e); err != nil {
				j.mu.Lock()
				j.failed = fmt.Errorf("%w: %w", ErrNotKept, err)
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
		r := *e.report // the loop still reads its own
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
			j.world.Log.Warn("an old checkpoint stays", "error", err)
		}
	}
	return nil
}

func (j *journal) save(c checkpoint.Checkpoint) (wire.CheckpointRef, error) {
	ref, err := j.world.Store.Save(c)
	if err == nil {
		j.world.Worked(c.Manifest.Epoch, fmt.Sprintf("the writing of the %s checkpoint of step %d", c.Manifest.Kind, c.Manifest.Step))
	}
	return ref, err
}

// spool gives a report this writer's identity and the next sequence, and spools it.
func (j *journal) spool(r wire.Report) error {
	j.sequence++
	r.Version, r.RunUID, r.Trial, r.Attempt, r.Writer, r.Sequence = wire.Version, j.trial.Run.UID, j.trial.Name, j.trial.Attempt, j.writer, j.sequence
	r = shrink(r)
	if err := r.Validate(); err != nil {
		return fmt.Errorf("a report that nobody would take: %w", err)
	}
	if r.Kind != wire.Heartbeat {
		j.history = append(j.history, r)
	}
	if err := j.world.Spool(r); err != nil {
		return fmt.Errorf("spool report %d: %w", r.Sequence, err)
	}
	return nil
}

// shrink takes off a report what would make it too large to be read: the scores, which say so then.
func shrink(r wire.Report) wire.Report {
	if len(r.Message) > wire.MaxMessageRunes { // bytes: never more runes than these
		r.Message = string([]rune(r.Message)[:min(wire.MaxMessageRunes, len([]rune(r.Message)))])
	}
	if r.Scores == nil {
		return r
	}
	text, err := json.Marshal(r)
	if err == nil && len(text) <= wire.MaxReportBytes && len(r.Scores) <= wire.MaxScores {
		return r
	}
	r.Message = fmt.Sprintf("the scores of %d validation samples are left out: a report may have %d bytes", len(r.Scores), wire.MaxReportBytes)
	r.Scores = nil
	return r
}
