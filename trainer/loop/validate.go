package loop

import (
	"context"
	"fmt"
	"math"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// result is what validation found out about the weights of one epoch.
type result struct {
	samples     []score.Sample // of the validation fold, in order, scored by calibrated logit
	calibration wire.Calibration
	metrics     wire.Metrics
	notFinite   string // why there are no metrics
}

// validate scores the validation fold, chooses temperature and threshold on it and measures there.
func (r *run) validate(ctx context.Context) (result, error) {
	calibration := wire.Calibration{Shift: r.shift, Temperature: 1, Comparator: ">="}
	samples, bad, err := r.evaluate(ctx, r.data.Validation, calibration)
	if err != nil {
		return result{}, err
	}
	if bad > 0 {
		return result{notFinite: fmt.Sprintf("%d of %d validation scores are NaN or Inf", bad, len(samples))}, nil
	}
	calibration.Temperature = score.Temperature(samples)
	for i := range samples {
		samples[i].Score /= calibration.Temperature
	}
	if calibration.Threshold, err = score.Threshold(samples); err != nil {
		return result{}, fmt.Errorf("choose a threshold: %w", err)
	}
	if math.Abs(calibration.Threshold) > wire.MaxLogit { // nobody would take the report
		return result{notFinite: fmt.Sprintf("the validation scores are as good as infinite: the best threshold is %.3g, and none beyond ±%.0e is reported", calibration.Threshold, wire.MaxLogit)}, nil
	}
	metrics, err := score.Measure(samples, calibration.Threshold, r.Trial.Hyperparameters.Seed)
	if err != nil {
		return result{}, fmt.Errorf("measure the validation fold: %w", err)
	}
	return result{samples: samples, calibration: calibration, metrics: metrics}, nil
}

// evaluate scores a fold and counts the scores that are not finite.
func (r *run) evaluate(ctx context.Context, fold []int, c wire.Calibration) (samples []score.Sample, bad int, err error) {
	var images []uint8
	for from, to := range Parts(len(fold), GatherAtOnce) {
		if ctx.Err() != nil {
			return nil, 0, ErrInterrupted
		}
		part := fold[from:to]
		images = r.data.gather(images, part)
		scores, err := r.model.Evaluate(images, len(part))
		if err != nil {
			return nil, 0, fmt.Errorf("evaluate epoch %d: %w", r.epoch, err)
		}
		r.Worked(r.epoch, fmt.Sprintf("a batch of the evaluation after %d steps", r.step))
		for k, i := range part {
			logit := (float64(scores[k]) - c.Shift) / c.Temperature
			if math.IsNaN(logit) || math.IsInf(logit, 0) {
				bad++
			}
			samples = append(samples, score.Sample{Score: logit, Defect: r.data.Labels[i] == 1, Group: r.data.Groups[i]})
		}
	}
	return samples, bad, nil
}

// sampleScores is what paired intervals between depths need: every validation sample's logit.
func (r *run) sampleScores(v result) []wire.SampleScore {
	scores := make([]wire.SampleScore, len(v.samples))
	for k, i := range r.data.Validation {
		scores[k] = wire.SampleScore{ID: r.data.IDs[i], Group: r.data.Groups[i], Label: int(r.data.Labels[i]), Logit: v.samples[k].Score}
	}
	return scores
}

// goldenSamples is how many predictions a best checkpoint carries, to be replayed where there is no data set.
const goldenSamples = 8

// golden picks validation samples, as many of either class as there are up to half, and says what the model says of them.
func (r *run) golden(v result) (predictions []wire.Golden, images []uint8) {
	var order, rest []int // positions in the fold
	var taken [2]int
	for k, i := range r.data.Validation {
		if class := r.data.Labels[i]; taken[class] < goldenSamples/2 {
			taken[class]++
			order = append(order, k)
		} else {
			rest = append(rest, k)
		}
	}
	order = append(order, rest...)
	order = order[:min(goldenSamples, len(order))]
	var chosen []int
	for _, k := range order {
		i, logit := r.data.Validation[k], v.samples[k].Score
		chosen = append(chosen, i)
		predictions = append(predictions, wire.Golden{
			ID: r.data.IDs[i], Logit: logit, Probability: score.Probability(logit), Defect: logit >= v.calibration.Threshold,
		})
	}
	return predictions, r.data.gather(nil, chosen)
}
