package score

import "errors"

// ErrNoNormal says that every sample is a defect, so that no defect can be compared with a normal sample.
var ErrNoNormal = errors.New("no normal sample")

// ROCAUC returns the share of pairs of a defect and a normal sample in which the defect has the higher score; a tie
// counts half. It is the area under the ROC curve and the Mann-Whitney statistic (Hanley and McNeil, "The Meaning and
// Use of the Area under a Receiver Operating Characteristic (ROC) Curve"), and scikit-learn's roc_auc_score. Where
// defects are rare it is optimistic: a thousand normal samples with low scores make it high, even if the few samples
// with high scores are in a bad order. Selection therefore uses AveragePrecision.
//
// Without a normal sample there is no pair, and ROCAUC returns ErrNoNormal. scikit-learn returns NaN; 1/2 or 1
// would be a claim without evidence.
func ROCAUC(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.rocAUC()
}

func (s steps) rocAUC() (float64, error) {
	var halves int // halves of pairs: 2 for a pair in order, 1 for a tie; whole numbers have no rounding error
	var last Confusion
	for _, c := range s.cuts() {
		// The normal samples with exactly this score lie below the defects of earlier cuts and tie with the new ones.
		normal := c.FalsePositive - last.FalsePositive
		halves += normal * (last.TruePositive + c.TruePositive)
		last = c
	}
	if last.FalsePositive == 0 {
		return 0, ErrNoNormal
	}
	return float64(halves) / 2 / (float64(last.TruePositive) * float64(last.FalsePositive)), nil
}
