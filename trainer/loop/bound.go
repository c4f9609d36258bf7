package loop

import "iter"

// Limits on how many images are processed together. GatherAtOnce is a multiple of ScoreAtOnce, so only the last part
// that a network scores has fewer images than the limit.
const (
	// GatherAtOnce bounds how many images are in memory for one call of a model. It also bounds how long an
	// interruption waits for that call.
	GatherAtOnce = 64
	// ScoreAtOnce bounds how many images a network scores at once, and with them the memory of its activations.
	ScoreAtOnce = 32
)

// Parts divides n images into parts of at most `most`. It yields the first index of each part and the index after its
// last.
func Parts(n, most int) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		for from := 0; from < n; from += most {
			if !yield(from, min(from+most, n)) {
				return
			}
		}
	}
}
