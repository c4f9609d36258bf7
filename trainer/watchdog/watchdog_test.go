package watchdog

import (
	"strings"
	"testing"
	"time"
)

func TestAStallIsTimeWithoutASign(t *testing.T) {
	const limit = 100 * time.Second // checked at every 5 s
	for name, test := range map[string]struct {
		look []time.Duration // since the start; a sign before each of which `sign` is true
		sign func(at time.Duration) bool
		want bool // at the last look
	}{
		"a sign before each look":                {every(5, 600), func(time.Duration) bool { return true }, false},
		"no sign for as long as is waited":       {every(5, 100), never, true},
		"a little less":                          {every(5, 95), never, false},
		"a sign in time, and none after it":      {every(5, 200), at(100), true},
		"a sign in time, and the wait goes on":   {every(5, 195), at(100), false},
		"a machine that was frozen for an hour":  {append(every(5, 50), 3650*time.Second), never, false},
		"frozen, and then no sign all the same":  {append(every(5, 50), every(5, 3695)[730:]...), never, true},
		"looks that come late count as they are": {every(10, 100), never, true},
	} {
		w := New(limit)
		start := time.Unix(1_700_000_000, 0)
		w.Check(start)
		var is bool
		for i, d := range test.look {
			if is {
				t.Errorf("%s: a stall at look %d of %d", name, i, len(test.look))
			}
			if test.sign(d) {
				w.Worked(3, "step 7 of epoch 4")
			}
			_, is = w.Check(start.Add(d))
		}
		if is != test.want {
			t.Errorf("%s: stall %v, want %v", name, is, test.want)
		}
	}
}

func never(time.Duration) bool { return false }

func at(seconds int) func(time.Duration) bool {
	return func(d time.Duration) bool { return d == time.Duration(seconds)*time.Second }
}

// every look up to a time, both in seconds.
func every(step, to int) (at []time.Duration) {
	for s := step; s <= to; s += step {
		at = append(at, time.Duration(s)*time.Second)
	}
	return at
}

func TestAStallIsToldOnceAndNamesTheLastSign(t *testing.T) {
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
	if s.Epoch != 2 || !strings.HasPrefix(s.Error(), "no step or other work has ended for 1800 s, since step 120 of epoch 3: ") {
		t.Errorf("told %+v: %v", s, s)
	}
	stop()
	if len(stalls) != 0 {
		t.Error("told twice")
	}
}

func TestNothingIsToldAfterTheStop(t *testing.T) {
	w := New(time.Second)
	ticks := make(chan time.Time, 1)
	stop := w.Watch(ticks, func(Stall) { t.Error("told") })
	stop()
	ticks <- time.Unix(1_700_000_000, 0) // nobody takes it
}
