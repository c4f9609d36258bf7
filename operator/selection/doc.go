// Package selection chooses the best checkpoint of a sweep and says why in a sentence. In the walk it stands behind
// controller/status.go: what it chooses is status.best, and what `plumb promote` takes. Pure: candidates in, choice out; the
// order in which they arrive changes nothing.
package selection
