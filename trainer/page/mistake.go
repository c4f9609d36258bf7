package page

import (
	"cmp"
	"math"
	"slices"
)

// Worst picks up to n samples that a decision by logit >= threshold gets wrong, the furthest from the threshold first, and returns
// their indices. Of both kinds there are as many, where there are: a set of a hundred false alarms must not hide the one missed defect.
func Worst(samples []Sample, threshold float64, n int) []int {
	var kinds [2][]int // missed defects, false alarms
	for i, s := range samples {
		switch called := s.Logit >= threshold; {
		case s.Defect && !called:
			kinds[0] = append(kinds[0], i)
		case !s.Defect && called:
			kinds[1] = append(kinds[1], i)
		}
	}
	away := func(i int) float64 { return math.Abs(samples[i].Logit - threshold) }
	for _, kind := range kinds {
		slices.SortFunc(kind, func(a, b int) int {
			return cmp.Or(cmp.Compare(away(b), away(a)), cmp.Compare(samples[a].ID, samples[b].ID))
		})
	}
	missed := min(len(kinds[0]), max(n-n/2, n-len(kinds[1])))
	return append(slices.Clone(kinds[0][:missed]), kinds[1][:min(len(kinds[1]), n-missed)]...)
}
