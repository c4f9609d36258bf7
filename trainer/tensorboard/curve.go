package tensorboard

import (
	"fmt"
	"math"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// thresholds is the number of thresholds of a PR curve. TensorBoard takes them as evenly spaced over 0..1. If defects
// are rare, most probabilities are near 0, so the steps are 0.002 and not the usual 0.005. A curve has 501 x 6 x 4 =
// 12 kB.
const thresholds = 501

// curveValue returns the PR curve of these scores, in the form that the PR curves plug-in reads.
func curveValue(scores []wire.SampleScore) value {
	return value{
		tag: "validation/pr_curves", plugin: "pr_curves", class: classTensor,
		content:  appendVarint(nil, 2, thresholds), // PrCurvePluginData.num_thresholds
		nickname: "validation",
		about:    "PR curve of each new best checkpoint; thresholds are calibrated probabilities",
		tensor:   encodeFloats(curve(scores, thresholds), 6, thresholds),
	}
}

// curve counts right and wrong decisions at n thresholds, ascending from 0 to 1. A sample is called a defect if its
// probability is at least the threshold.
// -> [6,n]: true positives, false positives, true negatives, false negatives, precision, recall
func curve(scores []wire.SampleScore, n int) []float32 {
	var counts [2][]float64 // by label and threshold: the samples from this threshold up to the next
	counts[0], counts[1] = make([]float64, n), make([]float64, n)
	for _, s := range scores {
		counts[s.Label][int(math.Floor(score.Probability(s.Logit)*float64(n-1)))]++
	}
	var total, above [2]float64
	for label := range counts {
		for _, c := range counts[label] {
			total[label] += c
		}
	}
	out := make([]float32, 6*n)
	for i := n - 1; i >= 0; i-- {
		above[0] += counts[0][i]
		above[1] += counts[1][i]
		tp, fp := above[1], above[0]
		tn, fn := total[0]-fp, total[1]-tp
		for row, v := range []float64{tp, fp, tn, fn, share(tp, tp+fp), share(tp, total[1])} {
			out[row*n+i] = float32(v)
		}
	}
	return out
}

// share returns part / whole, and 0 if whole is 0, as TensorBoard's own summaries do.
func share(part, whole float64) float64 { return part / math.Max(1e-7, whole) }

// evidence returns the values that a new best shows beside its metrics: the PR curve and the mistakes.
func evidence(r wire.Report, samples Samples) ([]value, error) {
	for _, s := range r.Scores {
		if s.Label != 0 && s.Label != 1 {
			return nil, fmt.Errorf("sample %s has the label %d, which is neither 0 nor 1", s.ID, s.Label)
		}
	}
	shown, err := mistakeValues(r, samples)
	return append([]value{curveValue(r.Scores)}, shown...), err
}
