package selection

import "math"

// choose returns the index of the best candidate, or -1 if none has a finite AUC-PR of at least minValue. Among the
// candidates within tieMargin of the highest value the smallest depth wins, then the higher value, then the earlier
// epoch, then the trial's name. The order of cs does not matter.
//
// The margin is measured from the highest value and not from neighbour to neighbour: "within a margin" is not
// transitive, and a chain of pairwise comparisons would depend on the order of arrival (docs/adr/0006).
func choose(cs []Candidate, rule Rule) int {
	top := math.Inf(-1)
	for _, c := range cs {
		if v := c.Metrics.AUCPR; finite(v) && v >= rule.MinValue {
			top = max(top, v)
		}
	}
	best := -1
	for i, c := range cs {
		v := c.Metrics.AUCPR
		if !finite(v) || v < rule.MinValue || v < top-rule.TieMargin {
			continue
		}
		if best < 0 || preferred(c, cs[best]) {
			best = i
		}
	}
	return best
}

// preferred reports whether a wins over b, both within the margin.
func preferred(a, b Candidate) bool {
	switch {
	case a.Depth != b.Depth:
		return a.Depth < b.Depth
	case a.Metrics.AUCPR != b.Metrics.AUCPR:
		return a.Metrics.AUCPR > b.Metrics.AUCPR
	case a.Epoch != b.Epoch:
		return a.Epoch < b.Epoch
	default:
		return a.Trial < b.Trial
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
