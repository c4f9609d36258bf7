package score

import "math"

// Bounds of a temperature: a fold that is separated without error would ask for 0, and a blind model for no end.
const (
	coldest = 0.1
	hottest = 10
)

// Temperature returns the T that minimises the mean cross-entropy of the logits score/T (Guo et al., "On Calibration of Modern Neural
// Networks"). It changes no order, and so neither AUC-PR nor what a threshold can separate. The loss is convex in 1/T: a golden-section
// search over ln(1/T) finds its minimum to six digits.
func Temperature(samples []Sample) float64 {
	scaled := make([]Sample, len(samples))
	loss := func(logInverse float64) float64 {
		for i, s := range samples {
			s.Score *= math.Exp(logInverse)
			scaled[i] = s
		}
		return CrossEntropy(scaled)
	}
	golden := (math.Sqrt(5) - 1) / 2
	low, high := math.Log(1.0/hottest), math.Log(1/coldest)
	a, b := high-golden*(high-low), low+golden*(high-low)
	lossA, lossB := loss(a), loss(b)
	for high-low > 1e-7 {
		if lossA <= lossB {
			high, b, lossB = b, a, lossA
			a = high - golden*(high-low)
			lossA = loss(a)
		} else {
			low, a, lossA = a, b, lossB
			b = low + golden*(high-low)
			lossB = loss(b)
		}
	}
	return math.Exp(-(low + high) / 2)
}
