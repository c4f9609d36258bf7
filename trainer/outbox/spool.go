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

// Spool keeps reports in order, in a file, until they are delivered. It is a file and not a slice because an outage may
// last for days, and reports with scores are large. The file is not synced: its directory is lost with the pod anyway,
// and while the pod's node runs, the kernel keeps the written data.
type Spool struct {
	mu      sync.Mutex
	file    *os.File
	from    int64         // offset in file at which the oldest waiting report begins
	to      int64         // offset in file at which the next report is written
	lengths []int64       // of the waiting reports in bytes, the oldest first
	changed chan struct{} // closed when a report is added or dropped, and then replaced
}

// NewSpool creates an empty spool in dir. It creates dir if it does not exist, and empties a spool that is already
// there.
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

// Append adds a report at the end.
func (s *Spool) Append(r wire.Report) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report %d: %w", r.Sequence, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line = append(line, '\n')
	failpoint.Here("spool.append.before")
	if _, err := s.file.WriteAt(line, s.to); err != nil { // the next Append overwrites a line that was partly written
		return fmt.Errorf("write spool: %w", err)
	}
	failpoint.Here("spool.append.after")
	s.to += int64(len(line))
	s.lengths = append(s.lengths, int64(len(line)))
	s.wake()
	return nil
}

// Waiting returns the number of reports that are not delivered yet.
func (s *Spool) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lengths)
}

// Close closes the file.
func (s *Spool) Close() error { return s.file.Close() }

// oldest blocks until a report waits, or ctx ends, and returns the oldest waiting report as JSON.
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

// dropOldest removes the oldest waiting report, which has been delivered. When no report waits, it frees the disk
// space.
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

// awaitEmpty blocks until all reports are delivered, or ctx ends.
func (s *Spool) awaitEmpty(ctx context.Context) error {
	return s.await(ctx, func() bool { return len(s.lengths) == 0 })
}

// await blocks until holds returns true, or ctx ends. It calls holds with the lock held.
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

// wake makes all calls of await check their condition again. The caller holds the lock.
func (s *Spool) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
