package score

import "math"

// Probability returns the probability of a calibrated logit.
func Probability(logit float64) float64 { return 1 / (1 + math.Exp(-logit)) }

// CrossEntropy returns the mean of -ln(p), where p is the probability that was predicted for the sample's true label. A
// sample's score is the logit of the probability of a defect. Without samples it returns 0.
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

// Brier returns the mean of (probability - label)^2, where label is 1 for a defect and 0 for a normal sample (Brier,
// "Verification of Forecasts Expressed in Terms of Probability"; half of its value, as is usual for two classes). It is
// scikit-learn's brier_score_loss. Predicting the prevalence q for every sample gives q(1-q); a useful model must be
// better.
func Brier(samples []Sample) (float64, error) {
	if err := checkScores(samples); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, s := range samples {
		d := Probability(s.Score) - float64(label(s))
		sum += d * d
	}
	return sum / float64(len(samples)), nil
}

// PriorShift returns what training adds to the optimal score when class c, which has n_c samples, is drawn with
// weights n_c^-sampler and counts with weights n_c^-loss: (sampler+loss) ln(normal/defect). normal and defect
// are the numbers of samples. A score minus the shift is the score for the true prevalence.
func PriorShift(normal, defect int, sampler, loss float64) float64 {
	return (sampler + loss) * math.Log(float64(normal)/float64(defect))
}
