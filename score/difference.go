package score

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// ErrNotPaired says that two scorings are not of the same samples in the same order.
var ErrNotPaired = errors.New("the two scorings are not of the same samples")

// Difference is how much higher the average precision of one scoring is than that of another, with its 95 % interval.
type Difference struct {
	Value, Low, High float64
}

// WithinNoise says that these samples cannot tell the two apart.
func (d Difference) WithinNoise() bool { return d.Low <= 0 && d.High >= 0 }

// Compare takes two scorings of the same samples, a[i] and b[i] of one sample, and returns the difference in average precision, a less
// b, with its 95 % percentile bootstrap interval. Every draw of packages is scored by both: a hard package is hard for both, and what
// they share cancels. Two separate Intervals that overlap say much less than this one. A draw that holds no defect is left out, and
// the same seed gives the same interval (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13, over groups as Interval).
func Compare(a, b []Sample, draws int, seed int64) (Difference, error) {
	a, b, err := paired(a, b)
	if err != nil {
		return Difference{}, err
	}
	sa, err := newSteps(a)
	if err != nil {
		return Difference{}, err
	}
	sb, err := newSteps(b)
	if err != nil {
		return Difference{}, err
	}
	group, groups := groupsOf(a)
	d := Difference{Value: sa.averagePrecision() - sb.averagePrecision(), Low: -1, High: 1} // nothing known: all that a difference can be
	values := make([]float64, 0, draws)
	for drawn := range resamples(groups, draws, seed) {
		for i := range group {
			sa.count[i], sb.count[i] = drawn[group[sa.from[i]]], drawn[group[sb.from[i]]]
		}
		if v := sa.averagePrecision() - sb.averagePrecision(); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) > 0 {
		slices.Sort(values)
		d.Low, d.High = quantile(values, 0.025), quantile(values, 0.975)
	}
	return d, nil
}

// paired checks that two scorings belong together and puts both into one order, that of a, which depends on the set of samples alone:
// groups are numbered, and so drawn, in that order.
func paired(a, b []Sample) (first, second []Sample, err error) {
	if len(a) != len(b) {
		return nil, nil, ErrNotPaired
	}
	order := make([]int, len(a))
	for i := range a {
		if a[i].Defect != b[i].Defect || a[i].Group != b[i].Group {
			return nil, nil, ErrNotPaired
		}
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(inOrder(a[i], a[j]), inOrder(b[i], b[j])) })
	for _, i := range order {
		first, second = append(first, a[i]), append(second, b[i])
	}
	return first, second, nil
}
