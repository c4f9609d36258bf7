package tensorboard

import (
	"math"

	"plumbline.dev/plumbline/wire"
)

// Tags of the chart that shows an interval. What decides a sweep is named so that it comes first: TensorBoard sorts by tag, and its
// table of hyperparameters shows the last value of the first tag.
const (
	tagBest = "auc_pr/best"
	tagEach = "auc_pr/epoch"
	tagHigh = "auc_pr/interval_high"
	tagLow  = "auc_pr/interval_low"
)

const (
	onValidation = ", on the validation split, which epoch, threshold and temperature are selected on"
	onTest       = ", on the test split, scored once, with the weights of the trial's best epoch"
)

// epochValues are the curves that an epoch's report adds a point to. What is not finite, or was not reported, is no point.
func epochValues(r wire.Report) (values []value) {
	if m := r.Metrics; m != nil {
		values = scalar(values, tagEach, "average precision"+onValidation, m.AUCPR)
		values = scalar(values, tagHigh, "upper end of its 95 % interval"+onValidation, m.AUCPRHigh)
		values = scalar(values, tagLow, "lower end of its 95 % interval"+onValidation, m.AUCPRLow)
		values = scalar(values, "decision/f1", "at the threshold"+onValidation, m.F1)
		values = scalar(values, "decision/precision", "at the threshold"+onValidation, m.Precision)
		values = scalar(values, "decision/recall", "at the threshold"+onValidation, m.Recall)
		values = scalar(values, "decision/threshold", "of the calibrated logit"+onValidation, m.Threshold)
		values = scalar(values, "loss/validation", "mean cross-entropy of the calibrated probabilities, unweighted", m.Loss)
	}
	values = scalar(values, "loss/train", "mean over the epoch's steps, with class weights and augmentation", r.TrainLoss)
	if r.LearningRate > 0 { // absent from the reports of older releases
		values = scalar(values, "schedule/learning_rate", "the head's, at the epoch's last step", r.LearningRate)
	}
	if t := r.Throughput; t != nil {
		values = scalar(values, "throughput/images_per_second", "in training", t.ImagesPerSecond)
		values = scalar(values, "throughput/input_wait", "share of the training time in which no batch was ready", t.InputWait)
		values = scalar(values, "throughput/epoch_seconds", "training and validation", t.EpochSeconds)
	}
	return values
}

// bestSoFar is the curve that never falls. Its last value is what the trial competes with.
func bestSoFar(best wire.Metrics) []value {
	return scalar(nil, tagBest, "highest average precision so far"+onValidation, best.AUCPR)
}

func testValues(m wire.Metrics) (values []value) {
	values = scalar(values, "test/auc_pr", "average precision"+onTest, m.AUCPR)
	values = scalar(values, "test/auc_pr_interval_high", "upper end of its 95 % interval"+onTest, m.AUCPRHigh)
	values = scalar(values, "test/auc_pr_interval_low", "lower end of its 95 % interval"+onTest, m.AUCPRLow)
	values = scalar(values, "test/f1", "at the threshold chosen on validation"+onTest, m.F1)
	values = scalar(values, "test/precision", "at the threshold chosen on validation"+onTest, m.Precision)
	values = scalar(values, "test/recall", "at the threshold chosen on validation"+onTest, m.Recall)
	return scalar(values, "test/loss", "mean cross-entropy of the calibrated probabilities, unweighted"+onTest, m.Loss)
}

func scalar(to []value, tag, about string, v float64) []value {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return to
	}
	return append(to, value{tag: tag, plugin: "scalars", class: classScalar, about: about, scalar: float32(v)})
}
