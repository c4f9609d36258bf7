package wire

import "math"

// Candidate is a committed checkpoint that may be chosen, with the AUC-PR it was measured at.
type Candidate struct {
	Trial string
	Depth int
	Epoch int
	Value float64
}

// BetterEpoch says whether a should be kept in place of b, both of one trial: a finite value, then the higher value, then
// the earlier epoch. It lives here because the trainer must keep exactly the checkpoint that the operator would choose.
func BetterEpoch(a, b Candidate) bool {
	if finite(a.Value) != finite(b.Value) {
		return finite(a.Value)
	}
	if a.Value != b.Value {
		return a.Value > b.Value
	}
	return a.Epoch < b.Epoch
}

// Choose picks the best of several trials' best checkpoints and returns its index, or -1 when none has a finite value of
// at least minValue. The highest value wins; of those within tieMargin of it the smallest depth, then the higher value, then
// the earlier epoch, then the trial's name. The order of cs does not matter.
//
// The margin is measured from the highest value and not from neighbour to neighbour: "within a margin" is not transitive, and
// a chain of pairwise comparisons would depend on the order of arrival.
func Choose(cs []Candidate, tieMargin, minValue float64) int {
	top := math.Inf(-1)
	for _, c := range cs {
		if finite(c.Value) && c.Value >= minValue {
			top = max(top, c.Value)
		}
	}
	best := -1
	for i, c := range cs {
		if !finite(c.Value) || c.Value < minValue || c.Value < top-tieMargin {
			continue
		}
		if best < 0 || preferred(c, cs[best]) {
			best = i
		}
	}
	return best
}

func preferred(a, b Candidate) bool {
	switch {
	case a.Depth != b.Depth:
		return a.Depth < b.Depth
	case a.Value != b.Value:
		return a.Value > b.Value
	case a.Epoch != b.Epoch:
		return a.Epoch < b.Epoch
	default:
		return a.Trial < b.Trial
	}
}
