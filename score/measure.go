package score

import (
	"errors"

	"plumbline.dev/plumbline/wire"
)

// highPrecision is the precision at which recall is reported: nine of ten calls are right. An operator at the
// line ignores calls that are wrong more often.
const highPrecision = 0.9

// Measure returns all metrics that a report holds for one split. The scores are calibrated logits, and threshold was
// chosen on the validation split. seed is that of the bootstrap. Without a normal sample there is no ROC-AUC: the field
// stays 0, and JSON omits it.
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
