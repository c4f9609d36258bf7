package loop

import "iter"

// How many images are worked on together. The first is a multiple of the second, so that only the last run of a network
// has fewer images than it may have.
const (
	// GatherAtOnce bounds the images that are in memory for one call of a model, and how long an interruption waits for
	// that call.
	GatherAtOnce = 64
	// RunAtOnce bounds the images of one run of a network that scores, and so the memory of its activations.
	RunAtOnce = 32
)

// Parts cuts n images into parts of at most so many, and yields where each begins and ends.
func Parts(n, most int) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		for from := 0; from < n; from += most {
			if !yield(from, min(from+most, n)) {
				return
			}
		}
	}
}
