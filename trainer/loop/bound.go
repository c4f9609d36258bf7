package loop

import "iter"

// How many images are worked on together. The first is a multiple of the second, so that only the last run of all has room to spare.
const (
	GatherAtOnce = 64 // images that are in memory for one call of a model; also bounds how long an interruption waits for that call
	RunAtOnce    = 32 // images in one run of a network that scores; bounds the memory of its activations
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
