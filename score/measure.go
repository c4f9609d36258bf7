package score

import (
	"errors"
	"math"

	"plumbline.dev/plumbline/wire"
)

// highPrecision is where recall is reported: nine calls of ten are right, which is what an operator at the line still believes.
const highPrecision = 0.9

// Measure says everything that a report says of one split. Scores are calibrated logits; threshold was chosen on validation.
// Without a normal sample there is no ROC-AUC, and its field stays 0, which JSON leaves out.
func Measure(samples []Sample, threshold float64, seed int64) (wire.Metrics, error) {
	s, err := newSteps(samples)
	if err != nil {
		return wire.Metrics{}, err
	}
	low, high, err := Interval(samples, Draws, seed)
	if err != nil {
		return wire.Metrics{}, err
	}
	roc, err := s.rocAUC()
	if err != nil && !errors.Is(err, ErrNoNormal) {
		return wire.Metrics{}, err
	}
	brier, err := Brier(samples)
	if err != nil {
		return wire.Metrics{}, err
	}
	calibration, err := CalibrationError(samples)
	if err != nil {
		return wire.Metrics{}, err
	}
	c := At(samples, threshold)
	return wire.Metrics{
		AUCPR: s.averagePrecision(), AUCPRLow: low, AUCPRHigh: high,
		F1: c.F1(), Precision: c.Precision(), Recall: c.Recall(), Threshold: threshold,
		Loss:       CrossEntropy(samples),
		Prevalence: ratio(c.TruePositive+c.FalseNegative, len(samples)),
		Samples:    len(samples),

		Trapezoid: s.trapezoid(), ROCAUC: roc,
		Brier: brier, CalibrationError: calibration,
		F1AtHalf:            At(samples, 0).F1(), // a logit of 0 is a probability of 1/2
		OracleF1:            s.oracleF1(),
		RecallAtPrecision90: s.recallAt(highPrecision),
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
