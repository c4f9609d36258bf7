package score

// Bounds of a temperature. The best temperature would be 0 for samples that the scores separate without error,
// and infinite for scores that say nothing about the label.
const (
	minTemperature = 0.1
	maxTemperature = 10
)

// Temperature returns the T from 0.1 to 10 that minimises the mean cross-entropy of the logits score/T (Guo et
// al., "On Calibration of Modern Neural Networks"). Dividing by T keeps the order of the scores, so AUC-PR and
// what a threshold can separate stay the same. The scores must be finite. Where every T is equally good (no
// samples, or every score 0) it returns 1, which changes nothing.
//
// The loss is convex in 1/T, so its slope crosses 0 at most once. Bisection finds that place to the last
// digits. A search for the lowest loss would find only half of the digits, because the loss is flat around its
// minimum.
func Temperature(samples []Sample) float64 {
	low, high := 1.0/maxTemperature, 1.0/minTemperature // of 1/T
	switch atLow, atHigh := slope(samples, low), slope(samples, high); {
	case atLow == 0 && atHigh == 0:
		return 1
	case atLow >= 0:
		return maxTemperature
	case atHigh <= 0:
		return minTemperature
	}
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high { // no number lies between low and high
			return 1 / middle
		}
		if slope(samples, middle) < 0 {
			low = middle
		} else {
			high = middle
		}
	}
}

// slope returns the derivative of the summed cross-entropy with respect to the inverse temperature: the sum of
// (probability - label) * score.
func slope(samples []Sample, inverse float64) float64 {
	sum := 0.0
	for _, s := range samples {
		z := inverse * s.Score
		if s.Defect {
			sum -= Probability(-z) * s.Score // this is 1 - p, which would round to 0 for a large z
		} else {
			sum += Probability(z) * s.Score
		}
	}
	return sum
}
