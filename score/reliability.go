package score

import "math"

// Bins is the number of bins of the reliability diagram, as in Guo et al., "On Calibration of Modern Neural Networks".
const Bins = 15

// Bin holds the samples whose predicted probability of a defect lies in (Low, High]. The first bin also holds
// those with a probability of 0.
type Bin struct {
	Low, High   float64
	Samples     int
	Probability float64 // mean of the predicted probabilities; 0 in an empty bin
	Defects     float64 // share of samples that are defects; 0 in an empty bin
}

// Reliability sorts the samples into Bins bins of equal width by their predicted probability of a defect, for
// plotting the predicted probability against the true share. It uses the probability of a defect for samples of
// both classes, as scikit-learn's calibration_curve does.
func Reliability(samples []Sample) ([]Bin, error) {
	if err := checkScores(samples); err != nil {
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

// binOf returns the index of a probability's bin.
func binOf(probability float64) int { return max(0, int(math.Ceil(probability*Bins))-1) }

// CalibrationError returns the expected calibration error, the sum over the bins B of
// |B|/n |share of defects - mean probability|, where n is the number of samples (Guo et al., "On Calibration of
// Modern Neural Networks", equation 3, with the probability of a defect in place of the confidence). A bin with
// few samples deviates by chance alone, so on few samples the error is not 0 even for a perfect model.
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
