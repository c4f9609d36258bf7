// Package best is `plumb best`, which shows a run's best checkpoint, why it is the best, and all trials.
package best
