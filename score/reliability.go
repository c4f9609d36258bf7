package score

import "math"

// Bins of the reliability diagram, as many as in Guo et al.
const Bins = 15

// Bin gathers the samples whose probability of being a defect lies in (Low, High]; the first bin takes 0 as well.
type Bin struct {
	Low, High   float64
	Samples     int
	Probability float64 // mean of what the model said; 0 in an empty bin
	Defects     float64 // share of what was true; 0 in an empty bin
}

// Reliability sorts the samples into Bins bins of equal width by their probability, for plotting what was said against what was
// true. Both classes are judged by the probability of a defect, as scikit-learn's calibration_curve does.
func Reliability(samples []Sample) ([]Bin, error) {
	if err := judgeable(samples); err != nil {
		return nil, err
	}
	bins := make([]Bin, Bins)
	for m := range bins {
		bins[m].Low, bins[m].High = float64(m)/Bins, float64(m+1)/Bins
	}
	for _, s := range samples {
		p := Probability(s.Score)
		bin := &bins[binOf(p)]
		bin.Samples++
		bin.Probability += p
		bin.Defects += float64(label(s))
	}
	for m := range bins {
		n := math.Max(1, float64(bins[m].Samples))
		bins[m].Probability /= n
		bins[m].Defects /= n
	}
	return bins, nil
}

// binOf numbers the bins from 0.
func binOf(probability float64) int { return max(0, int(math.Ceil(probability*Bins))-1) }

// CalibrationError is the expected calibration error: the sum over the bins of |B|/n |share of defects - mean probability| (Guo et
// al., "On Calibration of Modern Neural Networks", equation 3, with the probability of a defect for the confidence). A bin with few
// samples is off by chance alone, so that it does not reach 0 on few samples, however good the model.
func CalibrationError(samples []Sample) (float64, error) {
	bins, err := Reliability(samples)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, b := range bins {
		sum += float64(b.Samples) * math.Abs(b.Defects-b.Probability)
	}
	return sum / float64(len(samples)), nil
}

// Brier is the mean of (probability - label)^2, label 1 for a defect (Brier, "Verification of Forecasts Expressed in Terms of
// Probability", halved as everybody does for two classes). It is scikit-learn's brier_score_loss. Saying the prevalence q of every
// sample gives q(1-q), which a useful model must beat.
func Brier(samples []Sample) (float64, error) {
	if err := judgeable(samples); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, s := range samples {
		d := Probability(s.Score) - float64(label(s))
		sum += d * d
	}
	return sum / float64(len(samples)), nil
}

// judgeable refuses what has no mean. A probability can be judged without any defect, and so only the empty set lacks one here.
func judgeable(samples []Sample) error {
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
