package score

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

var (
	// ErrNoDefect says that there is nothing to find: no sample, or none that is a defect.
	ErrNoDefect = errors.New("no defect among the samples")
	// ErrNotFinite says that a score is NaN or Inf.
	ErrNotFinite = errors.New("a score is NaN or Inf")
)

// Sample is one judged sample. The higher its score, the more it looks like a defect.
type Sample struct {
	Score  float64
	Defect bool
	Group  string // what is resampled together: its package; "" is a group by itself
}

// AveragePrecision is the sum over the distinct scores, from the highest down, of (R_n - R_{n-1}) P_n, with recall R and precision P
// of calling everything at or above that score a defect. Equal scores are one step, so that their order does not matter.
// It is scikit-learn's average_precision_score.
func AveragePrecision(samples []Sample) (float64, error) {
	steps, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return steps.averagePrecision(), nil
}

// steps are samples sorted by inOrder, each with how often it counts; the bootstrap changes the counts alone.
type steps struct {
	samples []Sample
	count   []int
	from    []int // where each stood among the samples that were given
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
	s := steps{samples: make([]Sample, len(samples)), count: make([]int, len(samples)), from: make([]int, len(samples))}
	for i := range samples {
		s.count[i], s.from[i] = 1, i
	}
	slices.SortStableFunc(s.from, func(i, j int) int { return inOrder(samples[i], samples[j]) })
	for i, from := range s.from {
		s.samples[i] = samples[from]
	}
	return s, nil
}

// inOrder sorts by descending score. Package and label decide between equal scores, so that whatever is drawn from the sorted
// samples depends on the set of samples alone and never on the order in which they came.
func inOrder(a, b Sample) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Group, b.Group), cmp.Compare(label(b), label(a)))
}

// label is the truth as a number: 1 for a defect.
func label(s Sample) int {
	if s.Defect {
		return 1
	}
	return 0
}

// averagePrecision is NaN when no defect counts.
func (s steps) averagePrecision() float64 {
	var found, called int
	sum := 0.0 // of precision, once for every defect
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

// cuts counts, for every distinct score from the highest down, what calling everything at or above it a defect does.
func (s steps) cuts() []Confusion {
	var left Confusion
	for i := range s.samples {
		if s.samples[i].Defect {
			left.FalseNegative += s.count[i]
		} else {
			left.TrueNegative += s.count[i]
		}
	}
	var cuts []Confusion
	for i := 0; i < len(s.samples); {
		for score := s.samples[i].Score; i < len(s.samples) && s.samples[i].Score == score; i++ {
			if s.samples[i].Defect {
				left.TruePositive += s.count[i]
				left.FalseNegative -= s.count[i]
			} else {
				left.FalsePositive += s.count[i]
				left.TrueNegative -= s.count[i]
			}
		}
		cuts = append(cuts, left)
	}
	return cuts
}
