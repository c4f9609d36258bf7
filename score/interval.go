package score

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Draws is the usual number of draws of a bootstrap: enough for a stable second digit of a 95 % interval.
const Draws = 2000

// Interval returns the 95 % percentile bootstrap interval of the average precision. It draws whole packages
// (groups) with replacement, and not samples, because the samples of a package share their print and light and
// are not independent. A draw without a defect is skipped. When no draw has a defect the interval is [0, 1]. The
// same seed gives the same interval.
func Interval(samples []Sample, draws int, seed int64) (low, high float64, err error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, 0, err
	}
	group, groups := groupsOf(s.samples)
	values := make([]float64, 0, draws)
	for drawn := range resamples(groups, draws, seed) {
		for i, g := range group {
			s.count[i] = drawn[g]
		}
		if v := s.averagePrecision(); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return quantile(values, 0.025), quantile(values, 0.975), nil
}

// resamples yields for every draw how often each group was drawn. The next draw overwrites the slice.
func resamples(groups, draws int, seed int64) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		random := rand.New(rand.NewPCG(uint64(seed), 0x626f6f74)) // "boot" in ASCII
		drawn := make([]int, groups)
		for range draws {
			clear(drawn)
			for range groups {
				drawn[random.IntN(groups)]++
			}
			if !yield(drawn) {
				return
			}
		}
	}
}

// groupsOf numbers the groups in the order in which they first occur. group[i] is the number of the group of
// samples[i], and n is the number of groups.
func groupsOf(samples []Sample) (group []int, n int) {
	group = make([]int, len(samples))
	number := map[string]int{}
	for i, sample := range samples {
		g, known := number[sample.Group]
		if !known || sample.Group == "" {
			g = n
			number[sample.Group] = n
			n++
		}
		group[i] = g
	}
	return group, n
}

// quantile returns the q-quantile, linearly interpolated as numpy does by default. Without values it returns 0
// for the lower end of an interval and 1 for the upper end.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.Round(q)
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
