package page

import (
	"cmp"
	"math"
	"slices"
)

// Mistakes returns the indices of the samples that a decision by logit >= threshold gets wrong, the furthest from the
// threshold first: defects that it misses, and normal samples that it calls defects.
func Mistakes(samples []Sample, threshold float64) (missed, alarms []int) {
	for i, s := range samples {
		switch called := s.Logit >= threshold; {
		case s.Defect && !called:
			missed = append(missed, i)
		case !s.Defect && called:
			alarms = append(alarms, i)
		}
	}
	away := func(i int) float64 { return math.Abs(samples[i].Logit - threshold) }
	worst := func(a, b int) int {
		return cmp.Or(cmp.Compare(away(b), away(a)), cmp.Compare(samples[a].ID, samples[b].ID))
	}
	slices.SortFunc(missed, worst)
	slices.SortFunc(alarms, worst)
	return missed, alarms
}

// Worst picks up to n of the Mistakes, the missed defects first. Of both kinds there are as many, where there are: a
// set of a hundred false alarms must not hide the one missed defect.
func Worst(samples []Sample, threshold float64, n int) []int {
	missed, alarms := Mistakes(samples, threshold)
	shown := min(len(missed), max(n-n/2, n-len(alarms)))
	return append(slices.Clone(missed[:shown]), alarms[:min(len(alarms), n-shown)]...)
}
