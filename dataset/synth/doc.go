// Package synth makes data sets that look like the first data set of Plumbline, because that one is not
// public: erasers with a printed logo, taken from above by a fixed camera under six lights. Few erasers
// have a defect, and some labels are wrong.
//
// In the walk it comes before everything else: `plumb dataset synth` and the demo write a set with it.
// After that the set is treated like a real one. The file truth.csv says what each image really shows;
// training never reads it.
//
// The same Spec gives the same bytes. Every sample has its own random number generator, seeded with the
// set's seed and the sample's id, so that neither the order of work nor the number of processors matters.
package synth
