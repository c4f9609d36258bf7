package tensorboard

import (
	"math"

	"plumbline.dev/plumbline/wire"
)

// Tags that are named more than once: the chart that shows an interval refers to them.
const (
	tagAUCPR     = "validation/auc_pr"
	tagAUCPRLow  = "validation/auc_pr_low"
	tagAUCPRHigh = "validation/auc_pr_high"
)

// epochValues are the curves that an epoch's report adds a point to. What is not finite, or was not reported, is no point.
func epochValues(r wire.Report) (values []value) {
	values = scalar(values, "train/loss", "weighted mean over the epoch's steps", r.TrainLoss)
	if r.LearningRate > 0 { // absent from the reports of older releases
		values = scalar(values, "train/learning_rate", "the head's, at the epoch's last step", r.LearningRate)
	}
	if t := r.Throughput; t != nil {
		values = scalar(values, "throughput/images_per_second", "in training", t.ImagesPerSecond)
		values = scalar(values, "throughput/input_wait", "share of the training time in which no batch was ready", t.InputWait)
		values = scalar(values, "throughput/epoch_seconds", "training and validation", t.EpochSeconds)
	}
	if r.Metrics != nil {
		values = append(values, metricValues("validation", "on the validation split, which epoch, threshold and temperature are selected on", *r.Metrics)...)
	}
	return values
}

// metricValues are the metrics of one split.
func metricValues(split, where string, m wire.Metrics) (values []value) {
	for _, s := range []struct {
		name, about string
		v           float64
	}{
		{"auc_pr", "average precision", m.AUCPR},
		{"auc_pr_low", "lower end of the average precision's 95 % interval", m.AUCPRLow},
		{"auc_pr_high", "upper end of the average precision's 95 % interval", m.AUCPRHigh},
		{"f1", "at the threshold", m.F1},
		{"precision", "at the threshold", m.Precision},
		{"recall", "at the threshold", m.Recall},
		{"threshold", "of the calibrated logit", m.Threshold},
		{"loss", "mean cross-entropy of the calibrated probabilities, unweighted", m.Loss},
	} {
		values = scalar(values, split+"/"+s.name, s.about+", "+where, s.v)
	}
	return values
}

func scalar(to []value, tag, about string, v float64) []value {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return to
	}
	return append(to, value{tag: tag, plugin: "scalars", class: classScalar, about: about, scalar: float32(v)})
}
