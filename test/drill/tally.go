package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// tally holds the sums over all clusters of a drill.
type tally struct {
	mu         sync.Mutex
	givenOut   int // runs; the last one has this number
	claimed    int // faults that have been given out with the runs
	faults     int // faults that have struck
	kinds      map[string]int
	runs       int // runs that have been judged
	pods       int
	reports    int
	violations []judge.Violation
	repeats    judge.Repeats
}

// claim gives out the next run and how many faults are to strike it. The count is 0 when no run is left, or when a rule
// was broken and the drill does not continue after that.
func (t *tally) claim(c config) (run, count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.violations) > 0 && !c.goOn {
		return 0, 0
	}
	if c.onlyRun > 0 && t.givenOut > 0 { // the only run has been given out
		return 0, 0
	}
	t.givenOut = max(t.givenOut, c.onlyRun-1)
	count = min(c.faultsPerRun, c.faults-t.claimed)
	t.givenOut++
	t.claimed += count
	return t.givenOut, count
}

// addFault counts a fault that has struck, and returns how many have struck so far.
func (t *tally) addFault(kind string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kinds == nil {
		t.kinds = map[string]int{}
	}
	t.kinds[kind]++
	t.faults++
	return t.faults
}

// addRun adds a run that has been judged. unused is how many of its faults found no moment to strike before it ended:
// they can be claimed again.
func (t *tally) addRun(h judge.History, unused int, violations []judge.Violation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed -= unused
	t.violations = append(t.violations, violations...)
	t.runs++
	t.pods += len(h.Pods)
	t.reports += len(h.Reports)
	n := judge.Repeated(h)
	t.repeats.Saved += n.Saved
	t.repeats.SavedEpochs += n.SavedEpochs
	t.repeats.Killed += n.Killed
	t.repeats.KilledEpochs += n.KilledEpochs
}

// print writes the sums. The last line has the figures for which a drill is run.
func (t *tally) print(c config, took time.Duration) {
	fmt.Fprintf(c.out, "seed %d: %d faults in %d runs, %d pods, %d reports, %.0f s: %d violations\n",
		c.seed, t.faults, t.runs, t.pods, t.reports, took.Seconds(), len(t.violations))
	for _, f := range faults {
		if n := t.kinds[f.name]; n > 0 {
			fmt.Fprintf(c.out, "  %4d  %s\n", n, f.name)
		}
	}
	fmt.Fprintf(c.out, "trained again: %d epochs of %d attempts that were asked to end and saved themselves, "+
		"%d of %d that were killed\n",
		t.repeats.SavedEpochs, t.repeats.Saved, t.repeats.KilledEpochs, t.repeats.Killed)
	fmt.Fprintf(c.out, "%d faults: %s\n", t.faults, figures(t.violations))
}

// figures returns the number of violations of each kind, as one line.
func figures(violations []judge.Violation) string {
	var all []string
	for _, k := range judge.Kinds {
		n := 0
		for _, v := range violations {
			if v.Kind == k {
				n++
			}
		}
		all = append(all, fmt.Sprintf("%d %s", n, k))
	}
	return strings.Join(all, ", ")
}
