// Package watchdog notices that nothing comes to an end any more. A step that hangs inside TensorFlow cannot be told to stop, and a
// read of a mount that has gone away cannot either: without a watchdog such a pod holds its GPU until somebody looks. In the walk it
// stands beside the loop, which says what it has done; the program decides what a stall means.
//
// It is judged inside the pod, because only there is it known whether a step has ended: seen from outside, a NATS outage looks the same.
package watchdog

import (
	"fmt"
	"sync"
	"time"
)

// Stall says that nothing has come to an end for Limit, and what was the last that did.
type Stall struct {
	Limit time.Duration
	Epoch int    // finished epochs
	Since string // such as "step 120 of epoch 3"
}

func (s Stall) Error() string {
	return fmt.Sprintf("no step or other work has ended for %d s, since %s: more often than not a GPU, its driver or a mount hangs; "+
		"the node's kernel log may say which, and stallTimeoutSeconds is how long is waited", int64(s.Limit.Seconds()), s.Since)
}

// Watchdog is told of signs of work and notices when none comes.
type Watchdog struct {
	limit time.Duration

	mu      sync.Mutex
	epoch   int
	since   string
	fresh   bool // a sign has come since the last look
	idle    time.Duration
	checked time.Time
}

// New is a watchdog that has just seen the start.
func New(limit time.Duration) *Watchdog {
	return &Watchdog{limit: limit, since: "the start", fresh: true}
}

// Every is how often to look: a stall is noticed at most that much late.
func (w *Watchdog) Every() time.Duration { return min(w.limit/20, 10*time.Second) }

// Worked is told what has just come to an end, and how many epochs are finished.
func (w *Watchdog) Worked(epoch int, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch, w.since, w.fresh = epoch, what, true
}

// Check is called about every Every. Time in which nobody checked counts no more than one look that is late: a machine that was frozen
// or moved did no work, and that was no stall.
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

// Watch looks at each tick, until there is a stall, which it tells once, or until stop is called. stop waits: after it there is no
// telling any more.
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
