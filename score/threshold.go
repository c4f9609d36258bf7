package score

// Confusion counts decisions by what was said and what is true.
type Confusion struct {
	TruePositive, FalsePositive, FalseNegative, TrueNegative int
}

// At decides every sample by score >= threshold.
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

// Precision is the share of true ones among those called defects; 0 when none was called.
func (c Confusion) Precision() float64 { return ratio(c.TruePositive, c.TruePositive+c.FalsePositive) }

// Recall is the share of called ones among the defects; 0 when there is none.
func (c Confusion) Recall() float64 { return ratio(c.TruePositive, c.TruePositive+c.FalseNegative) }

// F1 is the harmonic mean of precision and recall; 0 when no defect was found.
func (c Confusion) F1() float64 {
	return ratio(2*c.TruePositive, 2*c.TruePositive+c.FalsePositive+c.FalseNegative)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Threshold returns the threshold that maximises F1 under the comparator >=. It lies midway between two neighbouring scores, so
// that a rounding error in either changes no decision; of equal F1 the highest threshold is taken, which calls the fewest
// normal samples defects. Where calling everything a defect is best there is no neighbour below, and the lowest score itself
// is the threshold.
func Threshold(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	var threshold float64
	best, end := -1.0, 0
	for _, c := range s.cuts() {
		end = c.TruePositive + c.FalsePositive // every count is 1: so many samples are at or above this cut
		if f1 := c.F1(); f1 > best {
			best, threshold = f1, s.samples[end-1].Score
			if end < len(s.samples) {
				threshold = midpoint(s.samples[end].Score, threshold)
			}
		}
	}
	return threshold, nil
}

// midpoint lies above low and at most at high, even where no number lies between them.
func midpoint(low, high float64) float64 {
	if m := low/2 + high/2; m > low {
		return m
	}
	return high
}
