package tensorboard

import (
	"fmt"
	"math"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// thresholds of a PR curve: TensorBoard reads them as evenly spaced over 0..1. Where defects are rare most probabilities are near 0,
// so steps are of 0.002 and not of the usual 0.005; a curve takes 501 x 6 x 4 = 12 kB.
const thresholds = 501

// curveValue is the PR curve of these scores, as the plug-in stores it.
func curveValue(scores []wire.SampleScore) value {
	return value{
		tag: "validation/pr_curves", plugin: "pr_curves", class: classTensor,
		content:  appendVarint(nil, 2, thresholds), // PrCurvePluginData.num_thresholds
		nickname: "validation",
		about:    "of each new best; thresholds are calibrated probabilities",
		tensor:   encodeFloats(curve(scores, thresholds), 6, thresholds),
	}
}

// curve counts what calling a defect whatever is at least as probable as a threshold does, at n thresholds that ascend from 0 to 1.
// -> [6,n]: true positives, false positives, true negatives, false negatives, precision, recall
func curve(scores []wire.SampleScore, n int) []float32 {
	var at [2][]float64 // by label, samples between a threshold and the next
	at[0], at[1] = make([]float64, n), make([]float64, n)
	for _, s := range scores {
		at[s.Label][int(math.Floor(score.Probability(s.Logit)*float64(n-1)))]++
	}
	var total, above [2]float64
	for label, counts := range at {
		for _, c := range counts {
			total[label] += c
		}
	}
	out := make([]float32, 6*n)
	for i := n - 1; i >= 0; i-- {
		above[0] += at[0][i]
		above[1] += at[1][i]
		tp, fp := above[1], above[0]
		for row, v := range []float64{tp, fp, total[0] - fp, total[1] - tp, share(tp, tp+fp), share(tp, total[1])} {
			out[row*n+i] = float32(v)
		}
	}
	return out
}

// share is 0 where there is nothing to have a share of, as the plug-in has it.
func share(part, whole float64) float64 { return part / math.Max(1e-7, whole) }

// evidence is what a new best shows beside its metrics: the curve and the mistakes behind them.
func evidence(r wire.Report, samples Samples) ([]value, error) {
	for _, s := range r.Scores {
		if s.Label != 0 && s.Label != 1 {
			return nil, fmt.Errorf("sample %s has the label %d", s.ID, s.Label)
		}
	}
	shown, err := mistakeValues(r, samples)
	return append([]value{curveValue(r.Scores)}, shown...), err
}
