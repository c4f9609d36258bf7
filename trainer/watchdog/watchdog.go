// Package watchdog notices that a process does no work any more. A step that hangs inside TensorFlow cannot be
// interrupted, and neither can a read from a mount that is gone. Without a watchdog such a pod holds its GPU until
// somebody looks. In the walk it is beside the loop, which calls it whenever a piece of work has ended; the program
// decides what happens on a stall.
//
// The watchdog is in the pod because only the pod knows whether a step has ended. From outside, a NATS outage looks the
// same as a stall.
package watchdog

import (
	"fmt"
	"sync"
	"time"
)

// Stall is the error of a process in which no work has ended for Limit.
type Stall struct {
	Limit time.Duration
	Epoch int    // finished epochs
	Since string // the work that ended last, such as "step 120 of epoch 3"
}

func (s Stall) Error() string {
	return fmt.Sprintf("no step or other work has ended for %d s, since %s: usually a GPU, its driver or a mount "+
		"hangs; the node's kernel log may say which; stallTimeoutSeconds sets this limit",
		int64(s.Limit.Seconds()), s.Since)
}

// Watchdog receives signs of work and notices when none arrive.
type Watchdog struct {
	limit time.Duration

	mu      sync.Mutex
	epoch   int
	since   string
	fresh   bool          // a sign of work has arrived since the last check
	idle    time.Duration // time without a sign of work
	checked time.Time     // time of the last check
}

// New returns a watchdog that has just received its first sign of work, the start.
func New(limit time.Duration) *Watchdog {
	return &Watchdog{limit: limit, since: "the start", fresh: true}
}

// Every returns how often Check must be called. A stall is noticed at most this much late.
func (w *Watchdog) Every() time.Duration { return min(w.limit/20, 10*time.Second) }

// Worked is a sign of work: what names the work that has just ended, and epoch is the number of finished epochs.
func (w *Watchdog) Worked(epoch int, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch, w.since, w.fresh = epoch, what, true
}

// Check returns the stall and true if the process has stalled. It must be called at intervals of about Every. A longer
// interval counts as twice Every: a machine that was frozen or moved did no work, but that was no stall.
func (w *Watchdog) Check(now time.Time) (Stall, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fresh {
		w.fresh, w.idle = false, 0
	} else {
		w.idle += min(now.Sub(w.checked), 2*w.Every())
	}
	w.checked = now
	return Stall{w.limit, w.epoch, w.since}, w.idle >= w.limit
}

// Watch starts to check at each tick. It ends at the first stall, after it has called onStall, or when stop is called.
// stop must be called, once; it blocks until onStall neither runs nor can be called any more.
func (w *Watchdog) Watch(ticks <-chan time.Time, onStall func(Stall)) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case now := <-ticks:
				if stall, stalled := w.Check(now); stalled {
					onStall(stall)
					return
				}
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}
