package loop

import (
	"context"
	"fmt"
	"math"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// result is the result of validating the weights of one epoch.
type result struct {
	samples     []score.Sample // the validation split in its order; the scores are calibrated logits
	calibration wire.Calibration
	metrics     wire.Metrics
	notFinite   string // the reason why there are no metrics; empty if there are
}

// infiniteThreshold is the reason why scores that are finite but huge are not measured.
const infiniteThreshold = "the validation scores are almost infinite: the best threshold is %.3g, " +
	"and none beyond ±%.0e is reported"

// validate scores the validation split, chooses the temperature and the threshold on it, and measures on it.
func (t *training) validate(ctx context.Context) (result, error) {
	calibration := wire.Calibration{Shift: t.shift, Temperature: 1, Comparator: ">="}
	samples, bad, err := t.evaluate(ctx, t.data.Validation, calibration)
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
	if math.Abs(calibration.Threshold) > wire.MaxLogit { // the operator would refuse the report
		return result{notFinite: fmt.Sprintf(infiniteThreshold, calibration.Threshold, wire.MaxLogit)}, nil
	}
	metrics, err := score.Measure(samples, calibration.Threshold, t.Trial.Hyperparameters.Seed)
	if err != nil {
		return result{}, fmt.Errorf("measure the validation split: %w", err)
	}
	return result{samples: samples, calibration: calibration, metrics: metrics}, nil
}

// evaluate returns the samples of a split with their calibrated logits, and how many of these are not finite.
func (t *training) evaluate(
	ctx context.Context, split []int, c wire.Calibration,
) (samples []score.Sample, bad int, err error) {
	var images []uint8
	for from, to := range Parts(len(split), GatherAtOnce) {
		if ctx.Err() != nil {
			return nil, 0, ErrInterrupted
		}
		part := split[from:to]
		images = t.data.gather(images, part)
		scores, err := t.model.Evaluate(images, len(part))
		if err != nil {
			return nil, 0, fmt.Errorf("evaluate epoch %d: %w", t.epoch, err)
		}
		t.Worked(t.epoch, fmt.Sprintf("a batch of the evaluation after %d steps", t.step))
		for k, i := range part {
			logit := (float64(scores[k]) - c.Shift) / c.Temperature
			if math.IsNaN(logit) || math.IsInf(logit, 0) {
				bad++
			}
			sample := score.Sample{Score: logit, Defect: t.data.Labels[i] == 1, Group: t.data.Groups[i]}
			samples = append(samples, sample)
		}
	}
	return samples, bad, nil
}

// sampleScores returns the logit of every validation sample. Paired intervals between depths are computed from them.
func (t *training) sampleScores(v result) []wire.SampleScore {
	scores := make([]wire.SampleScore, len(v.samples))
	for k, i := range t.data.Validation {
		scores[k] = wire.SampleScore{
			ID:    t.data.IDs[i],
			Group: t.data.Groups[i],
			Label: int(t.data.Labels[i]),
			Logit: v.samples[k].Score,
		}
	}
	return scores
}

// goldenSamples is how many predictions a best checkpoint records. Publishing replays them, because it has no data set.
const goldenSamples = 8

// golden chooses validation samples, and returns the model's predictions for them and their images. It takes up to half
// of the samples from each class, and fills up with others if one class has fewer.
func (t *training) golden(v result) (predictions []wire.Golden, images []uint8) {
	var order, rest []int // positions in the validation split
	var taken [2]int
	for k, i := range t.data.Validation {
		if class := t.data.Labels[i]; taken[class] < goldenSamples/2 {
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
		i, logit := t.data.Validation[k], v.samples[k].Score
		chosen = append(chosen, i)
		predictions = append(predictions, wire.Golden{
			ID:          t.data.IDs[i],
			Logit:       logit,
			Probability: score.Probability(logit),
			Defect:      logit >= v.calibration.Threshold,
		})
	}
	return predictions, t.data.gather(nil, chosen)
}
