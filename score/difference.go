package score

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// ErrNotPaired says that two scorings are not of the same samples in the same order.
var ErrNotPaired = errors.New("the two scorings are not of the same samples")

// Difference is the average precision of one scoring minus that of another, with its 95 % interval.
type Difference struct {
	Value, Low, High float64
}

// WithinNoise reports whether the interval contains 0: the samples cannot show which scoring is better.
func (d Difference) WithinNoise() bool { return d.Low <= 0 && d.High >= 0 }

// Compare returns the average precision of a minus that of b, with its 95 % percentile bootstrap interval. a
// and b are two scorings of the same samples, with a[i] and b[i] for the same sample. If their lengths, labels
// or groups differ, Compare returns ErrNotPaired. Both scorings are measured on the same draws of packages. A
// hard package is hard for both, so what it adds to both cancels, and this interval can show a difference that
// two separate Intervals hide. A draw without a defect is skipped. When no draw has a defect the interval is
// [-1, 1]. The same seed gives the same interval (Efron and Tibshirani, "An Introduction to the Bootstrap",
// chapter 13, over groups as in Interval).
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
	// Without draws nothing is known about the interval; a difference lies between -1 and 1.
	d := Difference{Value: sa.averagePrecision() - sb.averagePrecision(), Low: -1, High: 1}
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

// paired checks that two scorings are of the same samples, and sorts both in the same order: that of a, then
// that of b. The order decides the numbers of the groups, and with them what is drawn, so it must depend on the
// set of samples alone.
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
