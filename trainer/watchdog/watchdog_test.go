package watchdog

import (
	"strings"
	"testing"
	"time"
)

func TestAStallIsTimeWithoutASignOfWork(t *testing.T) {
	const limit = 100 * time.Second // checked every 5 s
	for name, test := range map[string]struct {
		checks []time.Duration             // when the watchdog is checked, since the start
		sign   func(at time.Duration) bool // reports whether a sign of work arrives just before this check
		want   bool                        // whether the last check finds a stall; no check before it may
	}{
		"a sign before each check": {
			checks: every(5, 600),
			sign:   func(time.Duration) bool { return true },
		},
		"no sign within the limit": {
			checks: every(5, 100),
			sign:   never,
			want:   true,
		},
		"almost the limit": {
			checks: every(5, 95),
			sign:   never,
		},
		"a sign in time, and none after it": {
			checks: every(5, 200),
			sign:   at(100),
			want:   true,
		},
		"a sign in time, and almost the limit after it": {
			checks: every(5, 195),
			sign:   at(100),
		},
		"a machine that was frozen for an hour": {
			checks: append(every(5, 50), 3650*time.Second),
			sign:   never,
		},
		"a machine that was frozen, and no sign afterwards": {
			checks: append(every(5, 50), every(5, 3695)[730:]...),
			sign:   never,
			want:   true,
		},
		"checks that are late by less than that count in full": {
			checks: every(10, 100),
			sign:   never,
			want:   true,
		},
	} {
		w := New(limit)
		start := time.Unix(1_700_000_000, 0)
		w.Check(start)
		var stalled bool
		for i, d := range test.checks {
			if stalled {
				t.Errorf("%s: a stall at check %d of %d", name, i, len(test.checks))
			}
			if test.sign(d) {
				w.Worked(3, "step 7 of epoch 4")
			}
			_, stalled = w.Check(start.Add(d))
		}
		if stalled != test.want {
			t.Errorf("%s: stall %v, want %v", name, stalled, test.want)
		}
	}
}

// never is the sign of a process that does no work.
func never(time.Duration) bool { return false }

// at is the sign of a process that does one piece of work, at this time.
func at(seconds int) func(time.Duration) bool {
	return func(d time.Duration) bool { return d == time.Duration(seconds)*time.Second }
}

// every returns a check every `step` seconds, from step to `to`.
func every(step, to int) (at []time.Duration) {
	for s := step; s <= to; s += step {
		at = append(at, time.Duration(s)*time.Second)
	}
	return at
}

func TestAStallIsReportedOnceAndNamesTheLastWork(t *testing.T) {
	w := New(30 * time.Minute)
	ticks, stalls := make(chan time.Time), make(chan Stall, 2)
	stop := w.Watch(ticks, func(s Stall) { stalls <- s })
	w.Worked(2, "step 120 of epoch 3")
	now := time.Unix(1_700_000_000, 0)
	for range 181 { // every 10 s
		ticks <- now
		now = now.Add(w.Every())
	}
	s := <-stalls
	const says = "no step or other work has ended for 1800 s, since step 120 of epoch 3: "
	if s.Epoch != 2 || !strings.HasPrefix(s.Error(), says) {
		t.Errorf("the stall is %+v: %v", s, s)
	}
	stop()
	if len(stalls) != 0 {
		t.Error("onStall was called twice")
	}
}

func TestNoStallIsReportedAfterStop(t *testing.T) {
	w := New(time.Second)
	ticks := make(chan time.Time, 1)
	stop := w.Watch(ticks, func(Stall) { t.Error("onStall was called") })
	stop()
	ticks <- time.Unix(1_700_000_000, 0) // nobody receives it
}
