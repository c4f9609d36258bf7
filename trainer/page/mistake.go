package page

import (
	"cmp"
	"math"
	"slices"
)

// Mistakes returns the indices of the samples that a decision by logit >= threshold gets wrong: missed are the
// defects that it calls normal, and alarms are the normal samples that it calls defects. The samples furthest from
// the threshold come first.
func Mistakes(samples []Sample, threshold float64) (missed, alarms []int) {
	for i, s := range samples {
		switch called := s.Logit >= threshold; {
		case s.Defect && !called:
			missed = append(missed, i)
		case !s.Defect && called:
			alarms = append(alarms, i)
		}
	}
	distance := func(i int) float64 { return math.Abs(samples[i].Logit - threshold) }
	byDistance := func(a, b int) int {
		return cmp.Or(cmp.Compare(distance(b), distance(a)), cmp.Compare(samples[a].ID, samples[b].ID))
	}
	slices.SortFunc(missed, byDistance)
	slices.SortFunc(alarms, byDistance)
	return missed, alarms
}

// Worst returns up to n of the Mistakes, the missed defects first. It returns equally many of both kinds, as long as
// there are enough of each: a hundred false alarms must not hide the only missed defect.
func Worst(samples []Sample, threshold float64, n int) []int {
	missed, alarms := Mistakes(samples, threshold)
	shown := min(len(missed), max(n-n/2, n-len(alarms)))
	return append(slices.Clone(missed[:shown]), alarms[:min(len(alarms), n-shown)]...)
}
