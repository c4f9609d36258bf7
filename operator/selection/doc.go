// Package selection chooses the best checkpoint of a run and says why in a sentence. In the walk plan/run.go calls it:
// the choice becomes status.best, which `plumb promote` publishes. Pure: candidates in, choice out; the order of the
// candidates changes nothing.
package selection
