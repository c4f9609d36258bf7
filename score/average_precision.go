package score

import (
	"cmp"
	"math"
	"slices"
)

// AveragePrecision returns the sum of (R_n - R_{n-1}) P_n over the distinct scores, from the highest to the
// lowest. R_n and P_n are the recall and precision of calling every sample with at least the n-th score a
// defect. Equal scores are one step of the sum, so that the order of their samples does not matter. It is
// scikit-learn's average_precision_score.
func AveragePrecision(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.averagePrecision(), nil
}

// steps holds samples sorted by inOrder, and how often each counts. The bootstrap changes the counts alone.
type steps struct {
	samples []Sample
	count   []int
	from    []int // samples[i] is the sample with index from[i] in the slice given to newSteps
}

func newSteps(samples []Sample) (steps, error) {
	defects := 0
	for _, s := range samples {
		if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) {
			return steps{}, ErrNotFinite
		}
		if s.Defect {
			defects++
		}
	}
	if defects == 0 {
		return steps{}, ErrNoDefect
	}
	s := steps{
		samples: make([]Sample, len(samples)),
		count:   make([]int, len(samples)),
		from:    make([]int, len(samples)),
	}
	for i := range samples {
		s.count[i], s.from[i] = 1, i
	}
	slices.SortStableFunc(s.from, func(i, j int) int { return inOrder(samples[i], samples[j]) })
	for i, from := range s.from {
		s.samples[i] = samples[from]
	}
	return s, nil
}

// inOrder sorts by descending score. Equal scores are sorted by group and label, so that the bootstrap, which
// draws from the sorted samples, depends on the set of samples alone and never on their order.
func inOrder(a, b Sample) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Group, b.Group), cmp.Compare(label(b), label(a)))
}

// averagePrecision returns NaN when no defect counts.
func (s steps) averagePrecision() float64 {
	var found, called int
	sum := 0.0 // of the precision, added once for every defect
	for i := 0; i < len(s.samples); {
		before := found
		for score := s.samples[i].Score; i < len(s.samples) && s.samples[i].Score == score; i++ {
			called += s.count[i]
			if s.samples[i].Defect {
				found += s.count[i]
			}
		}
		if found > before {
			sum += float64(found-before) * float64(found) / float64(called)
		}
	}
	return sum / float64(found)
}

// cuts returns one Confusion for every distinct score, from the highest to the lowest: that of calling every
// sample with at least this score a defect.
func (s steps) cuts() []Confusion {
	var c Confusion
	for i := range s.samples {
		if s.samples[i].Defect {
			c.FalseNegative += s.count[i]
		} else {
			c.TrueNegative += s.count[i]
		}
	}
	var cuts []Confusion
	for i := 0; i < len(s.samples); {
		for score := s.samples[i].Score; i < len(s.samples) && s.samples[i].Score == score; i++ {
			if s.samples[i].Defect {
				c.TruePositive += s.count[i]
				c.FalseNegative -= s.count[i]
			} else {
				c.FalsePositive += s.count[i]
				c.TrueNegative -= s.count[i]
			}
		}
		cuts = append(cuts, c)
	}
	return cuts
}
