// Package synth makes data sets that look like the ones Plumbline was built
// for, because those are not public: erasers with a printed logo, photographed
// from above by a fixed camera under six lights, few of them defective, some of
// the labels wrong.
//
// In the walk it stands before everything else: `plumb dataset synth` and the
// demo write a set with it, and from there on nobody can tell it from a real
// one, for truth.csv, which knows what each image really shows, is never read by
// training.
//
// The same Spec gives the same bytes: every sample draws from its own generator,
// seeded with the set's seed and the sample's id, so that neither the order of
// work nor the number of processors matters.
package synth
