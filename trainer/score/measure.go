package score

import (
	"math"

	"plumbline.dev/plumbline/wire"
)

// Measure says everything that a report says of one split. Scores are calibrated logits; threshold was chosen on validation.
func Measure(samples []Sample, threshold float64, seed int64) (wire.Metrics, error) {
	ap, err := AveragePrecision(samples)
	if err != nil {
		return wire.Metrics{}, err
	}
	low, high, err := Interval(samples, Draws, seed)
	if err != nil {
		return wire.Metrics{}, err
	}
	c := At(samples, threshold)
	return wire.Metrics{
		AUCPR: ap, AUCPRLow: low, AUCPRHigh: high,
		F1: c.F1(), Precision: c.Precision(), Recall: c.Recall(), Threshold: threshold,
		Loss:       CrossEntropy(samples),
		Prevalence: ratio(c.TruePositive+c.FalseNegative, len(samples)),
		Samples:    len(samples),
	}, nil
}

// CrossEntropy is the mean of -ln of the probability that was given to what is true; a sample's score is the logit of being a
// defect. 0 without samples.
func CrossEntropy(samples []Sample) float64 {
	sum := 0.0
	for _, s := range samples {
		z := s.Score
		if s.Defect {
			z = -z
		}
		sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) // ln(1 + e^z) without overflow
	}
	return sum / math.Max(1, float64(len(samples)))
}

// Probability of a calibrated logit.
func Probability(logit float64) float64 { return 1 / (1 + math.Exp(-logit)) }

// PriorShift is what training on weights n_c^-a when drawing and n_c^-b in the loss adds to the optimal score:
// (a+b) ln(n0/n1), where n0 samples are normal and n1 are defects. Taking it off again gives the score of the true prior.
func PriorShift(normal, defect int, sampler, loss float64) float64 {
	return (sampler + loss) * math.Log(float64(normal)/float64(defect))
}
