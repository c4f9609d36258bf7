package score

import "errors"

// ErrNoNormal says that every sample is a defect: there is nothing that a defect could be told from.
var ErrNoNormal = errors.New("no normal sample")

// ROCAUC is the share of pairs of a defect and a normal sample in which the defect has the higher score, a tie counting half:
// the area under the ROC curve and the Mann-Whitney statistic (Hanley and McNeil, "The Meaning and Use of the Area under a
// Receiver Operating Characteristic (ROC) Curve"). It is scikit-learn's roc_auc_score. Where defects are rare it is kind: a thousand
// normal samples at the bottom make it high, whatever happens at the top. AveragePrecision is what selects.
//
// Without a normal sample there is no pair, and the answer is ErrNoNormal: scikit-learn says NaN, and 1/2 or 1 would be a claim.
func ROCAUC(samples []Sample) (float64, error) {
	s, err := newSteps(samples)
	if err != nil {
		return 0, err
	}
	return s.rocAUC()
}

func (s steps) rocAUC() (float64, error) {
	var halves int // of pairs: two for a pair in order, one for a tie. Whole numbers: no rounding, however many samples
	var last Confusion
	for _, c := range s.cuts() {
		normal := c.FalsePositive - last.FalsePositive // at this very score: below the defects found before, level with the new ones
		halves += normal * (last.TruePositive + c.TruePositive)
		last = c
	}
	if last.FalsePositive == 0 {
		return 0, ErrNoNormal
	}
	return float64(halves) / 2 / (float64(last.TruePositive) * float64(last.FalsePositive)), nil
}
