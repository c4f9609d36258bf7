// Package best is `plumb best`: a run's best checkpoint, why it is the best, and all trials.
package best
