package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/wire"
)

// Spool keeps reports in order, in a file, until they are delivered. It is a file and not a slice because an outage may last for
// days, and reports with scores are large. It is not synced: the directory is lost with the pod, and nothing shorter than that
// loses what the kernel has taken.
type Spool struct {
	mu      sync.Mutex
	file    *os.File
	from    int64         // where the oldest waiting report begins
	to      int64         // where the next will
	lengths []int64       // of the waiting reports, oldest first
	changed chan struct{} // closed at the next change
}

// NewSpool begins an empty spool in dir, which is made.
func NewSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "spool.jsonl"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return &Spool{file: f, changed: make(chan struct{})}, nil
}

// Append adds a report to the end.
func (s *Spool) Append(r wire.Report) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report %d: %w", r.Sequence, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line = append(line, '\n')
	failpoint.Here("spool.append.before")
	if _, err := s.file.WriteAt(line, s.to); err != nil { // a part that was written is written over by the next
		return fmt.Errorf("write spool: %w", err)
	}
	failpoint.Here("spool.append.after")
	s.to += int64(len(line))
	s.lengths = append(s.lengths, int64(len(line)))
	s.wake()
	return nil
}

// Waiting counts the reports that are not delivered.
func (s *Spool) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lengths)
}

// Close lets go of the file.
func (s *Spool) Close() error { return s.file.Close() }

// oldest returns the first report that waits, once there is one.
func (s *Spool) oldest(ctx context.Context) ([]byte, error) {
	if err := s.await(ctx, func() bool { return len(s.lengths) > 0 }); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line := make([]byte, s.lengths[0])
	if _, err := s.file.ReadAt(line, s.from); err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	return line[:len(line)-1], nil
}

// dropOldest takes the oldest off: it is delivered. An empty spool gives its disk space back.
func (s *Spool) dropOldest() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	failpoint.Here("spool.trim.before")
	s.from += s.lengths[0]
	s.lengths = s.lengths[1:]
	if len(s.lengths) == 0 {
		s.from, s.to, s.lengths = 0, 0, nil
		if err := s.file.Truncate(0); err != nil {
			return fmt.Errorf("trim spool: %w", err)
		}
	}
	s.wake()
	return nil
}

// awaitEmpty waits until everything is delivered.
func (s *Spool) awaitEmpty(ctx context.Context) error {
	return s.await(ctx, func() bool { return len(s.lengths) == 0 })
}

// await waits until holds, which is asked under the lock, does.
func (s *Spool) await(ctx context.Context, holds func() bool) error {
	for {
		s.mu.Lock()
		done, changed := holds(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake wakes everyone in await. The lock is held.
func (s *Spool) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
