package tensorboard

import (
	"math"

	"plumbline.dev/plumbline/wire"
)

// Tags of the chart that shows the AUC-PR and its interval. The names matter: TensorBoard sorts by tag, and its table
// of hyperparameters shows the last value of the first tag. That value must be the one that decides the sweep.
const (
	tagBest = "auc_pr/best"
	tagEach = "auc_pr/epoch"
	tagHigh = "auc_pr/interval_high"
	tagLow  = "auc_pr/interval_low"
)

// Ends of descriptions of metrics.
const (
	onValidation = " on the validation split, on which epoch, threshold and temperature are selected"
	onTest       = " on the test split, scored once, with the weights of the trial's best epoch"
)

// Descriptions of metrics, without the split.
const (
	aboutAUCPR     = "Average precision"
	aboutThreshold = "Threshold on the calibrated logit, chosen"
	aboutHigh      = "Upper end of the 95 % interval of the average precision"
	aboutLow       = "Lower end of the 95 % interval of the average precision"
	aboutLoss      = "Unweighted mean cross-entropy of the calibrated probabilities"
	testThreshold  = " at the threshold that was chosen on the validation split,"
)

// epochValues returns a point for each curve that an epoch's report continues. A value that is not finite, or that
// the report lacks, gives no point.
func epochValues(r wire.Report) (values []value) {
	if m := r.Metrics; m != nil {
		values = scalar(values, tagEach, aboutAUCPR+onValidation, m.AUCPR)
		values = scalar(values, tagHigh, aboutHigh+onValidation, m.AUCPRHigh)
		values = scalar(values, tagLow, aboutLow+onValidation, m.AUCPRLow)
		values = scalar(values, "decision/f1", "F1 at the threshold"+onValidation, m.F1)
		values = scalar(values, "decision/precision", "Precision at the threshold"+onValidation, m.Precision)
		values = scalar(values, "decision/recall", "Recall at the threshold"+onValidation, m.Recall)
		values = scalar(values, "decision/threshold", aboutThreshold+onValidation, m.Threshold)
		values = scalar(values, "loss/validation", aboutLoss+onValidation, m.Loss)
	}
	const aboutTrain = "Mean loss over the epoch's steps, with class weights and augmentation"
	values = scalar(values, "loss/train", aboutTrain, r.TrainLoss)
	if r.LearningRate > 0 { // reports of older releases lack it
		const aboutRate = "Learning rate of the head at the epoch's last step"
		values = scalar(values, "schedule/learning_rate", aboutRate, r.LearningRate)
	}
	if t := r.Throughput; t != nil {
		const aboutWait = "Share of the training time in which no batch was ready"
		values = scalar(values, "throughput/images_per_second", "Images per second during training", t.ImagesPerSecond)
		values = scalar(values, "throughput/input_wait", aboutWait, t.InputWait)
		values = scalar(values, "throughput/epoch_seconds", "Seconds of training and validation", t.EpochSeconds)
	}
	return values
}

// bestSoFar returns a point of the curve of the highest AUC-PR so far. The last value of this curve is the one with
// which the trial competes.
func bestSoFar(best wire.Metrics) []value {
	return scalar(nil, tagBest, "Highest average precision so far"+onValidation, best.AUCPR)
}

// testValues returns the metrics on the test split.
func testValues(m wire.Metrics) (values []value) {
	values = scalar(values, "test/auc_pr", aboutAUCPR+onTest, m.AUCPR)
	values = scalar(values, "test/auc_pr_interval_high", aboutHigh+onTest, m.AUCPRHigh)
	values = scalar(values, "test/auc_pr_interval_low", aboutLow+onTest, m.AUCPRLow)
	values = scalar(values, "test/f1", "F1"+testThreshold+onTest, m.F1)
	values = scalar(values, "test/precision", "Precision"+testThreshold+onTest, m.Precision)
	values = scalar(values, "test/recall", "Recall"+testThreshold+onTest, m.Recall)
	return scalar(values, "test/loss", aboutLoss+onTest, m.Loss)
}

// scalar appends a point of a curve to to, unless v is NaN or Inf.
func scalar(to []value, tag, about string, v float64) []value {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return to
	}
	return append(to, value{tag: tag, plugin: "scalars", class: classScalar, about: about, scalar: float32(v)})
}
