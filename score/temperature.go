package score

// Bounds of a temperature: a fold that is separated without error would ask for 0, and a blind model for no end.
const (
	coldest = 0.1
	hottest = 10
)

// Temperature returns the T that minimises the mean cross-entropy of the logits score/T (Guo et al., "On Calibration of Modern Neural
// Networks"). It changes no order, and so neither AUC-PR nor what a threshold can separate. The scores must be finite. Where every T
// is as good as any other (no samples, or every score 0) it is 1, which changes nothing.
//
// The loss is convex in 1/T, so that its slope there crosses 0 once; halving the span until no number lies inside finds the place
// to the last digits. A search by the loss itself would stop at half of them: a minimum is flat.
func Temperature(samples []Sample) float64 {
	low, high := 1.0/hottest, 1.0/coldest // of 1/T
	switch atLow, atHigh := slope(samples, low), slope(samples, high); {
	case atLow == 0 && atHigh == 0:
		return 1
	case atLow >= 0:
		return hottest
	case atHigh <= 0:
		return coldest
	}
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			return 1 / middle
		}
		if slope(samples, middle) < 0 {
			low = middle
		} else {
			high = middle
		}
	}
}

// slope is the derivative of the summed cross-entropy by the inverse temperature: the sum of (probability - label) * score.
func slope(samples []Sample, inverse float64) float64 {
	sum := 0.0
	for _, s := range samples {
		z := inverse * s.Score
		if s.Defect {
			sum -= Probability(-z) * s.Score // p - 1, without the rounding that makes it 0 too soon
		} else {
			sum += Probability(z) * s.Score
		}
	}
	return sum
}
