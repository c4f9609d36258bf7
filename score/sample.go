package score

import (
	"errors"
	"math"
)

var (
	// ErrNoDefect says that there is no sample, or none that is a defect.
	ErrNoDefect = errors.New("no defect among the samples")
	// ErrNotFinite says that a score is NaN or Inf.
	ErrNotFinite = errors.New("a score is NaN or Inf")
)

// Sample is a sample with its score. The higher the score, the more the sample looks like a defect.
type Sample struct {
	Score  float64
	Defect bool   // the true label
	Group  string // samples with the same group, a package, are resampled together; "" is a group of one sample
}

// label returns the true label as a number: 1 for a defect.
func label(s Sample) int {
	if s.Defect {
		return 1
	}
	return 0
}

// checkScores returns an error when there is no sample or a score is not finite. It accepts samples without a defect: a
// probability can be judged without one.
func checkScores(samples []Sample) error {
	if len(samples) == 0 {
		return ErrNoDefect
	}
	for _, s := range samples {
		if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) {
			return ErrNotFinite
		}
	}
	return nil
}
