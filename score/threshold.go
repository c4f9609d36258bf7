package score

// Confusion counts decisions by the decision and the true label; positive is a defect.
type Confusion struct {
	TruePositive, FalsePositive, FalseNegative, TrueNegative int
}

// At returns the counts of calling every sample with score >= threshold a defect.
func At(samples []Sample, threshold float64) Confusion {
	var c Confusion
	for _, s := range samples {
		switch called := s.Score >= threshold; {
		case called && s.Defect:
			c.TruePositive++
		case called:
			c.FalsePositive++
		case s.Defect:
			c.FalseNegative++
		default:
			c.TrueNegative++
		}
	}
	return c
}

// Precision returns the share of true defects among the samples that are called defects; 0 when no sample is.
func (c Confusion) Precision() float64 { return ratio(c.TruePositive, c.TruePositive+c.FalsePositive) }

// Recall returns the share of the defects that are called defects; 0 when there is no defect.
func (c Confusion) Recall() float64 { return ratio(c.TruePositive, c.TruePositive+c.FalseNegative) }

// F1 returns the harmonic mean of precision and recall; 0 when no defect is called one.
func (c Confusion) F1() float64 {
	return ratio(2*c.TruePositive, 2*c.TruePositive+c.FalsePositive+c.FalseNegative)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Threshold returns the threshold that maximises F1 when samples with score >= threshold are called defects. It
// lies midway between two neighbouring scores, so that a rounding error in either changes no decision. Of
// thresholds with the same F1 it returns the highest, which calls the fewest normal samples defects. Where it
// is best to call every sample a defect, there is no neighbour below, and the threshold is the lowest score
// itself.
func Threshold(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	var threshold float64
	best, end := -1.0, 0
	for _, c := range s.cuts() {
		end = c.TruePositive + c.FalsePositive // the number of samples at or above this cut, because every count is 1
		if f1 := c.F1(); f1 > best {
			best, threshold = f1, s.samples[end-1].Score
			if end < len(s.samples) {
				threshold = midpoint(s.samples[end].Score, threshold)
			}
		}
	}
	return threshold, nil
}

// midpoint returns the middle of low and high. Where no number lies between them it returns high.
func midpoint(low, high float64) float64 {
	if m := low/2 + high/2; m > low {
		return m
	}
	return high
}
