package score

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Draws of the bootstrap: enough for the second digit of a 95 % interval to stand still.
const Draws = 2000

// Interval is the 95 % percentile bootstrap interval of the average precision. It draws packages with replacement and not
// samples, because the samples of a package share their print and light and are no independent witnesses. A draw that holds
// no defect says nothing and is left out. The same seed gives the same interval.
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

// resamples yields, for every draw, how often each group was drawn. The slice is used again for the next draw.
func resamples(groups, draws int, seed int64) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		random := rand.New(rand.NewPCG(uint64(seed), 0x626f6f74)) // "boot"
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

// groupsOf numbers the groups in the order in which they first appear; group[i] is that of samples[i].
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

// quantile interpolates linearly, as numpy does by default. Without values nothing is known: the whole of [0, 1].
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
