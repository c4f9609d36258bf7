package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a TrainingRun. True is the good state, except for Suspended and Failed. The operator derives
// conditions from status.trials; no decision about a trial reads one.
const (
	// ConditionAdmitted is True once the operator has accepted the run: its settings can be resolved, its credential
	// exists and the report stream was reached. While it is False, the message says what is missing or which settings
	// must be changed.
	ConditionAdmitted = "Admitted"
	// ConditionRunning is True while at least one trial has a pod that trains. While it is False, the message says
	// what the run waits for, or that it has ended.
	ConditionRunning = "Running"
	// ConditionSuspended is True while spec.suspend is true and every pod of the run has written a checkpoint and
	// ended. It is False while pods still do so, and after the run was resumed.
	ConditionSuspended = "Suspended"
	// ConditionMetricsHealthy is True while the operator reads the report stream and no report is missing. While it is
	// False, the message says what is wrong. Trials continue to train meanwhile, and their reports arrive later.
	ConditionMetricsHealthy = "MetricsHealthy"
	// ConditionBestSelected is True when status.best is final. While trials run it is False with the reason
	// Provisional, or NoCheckpoint if there is nothing to choose from.
	ConditionBestSelected = "BestSelected"
	// ConditionSucceeded is True when the run has ended and failurePolicy is met: by default, when at least one trial
	// succeeded.
	ConditionSucceeded = "Succeeded"
	// ConditionFailed is True when the run has ended and failurePolicy is not met, when it reached its deadline, or
	// when its settings were refused. If every trial failed, the message begins with the message of the first
	// failure.
	ConditionFailed = "Failed"
)

// RunPhase sums up the conditions of a run for people. No decision depends on it.
type RunPhase string

// Phases of a run.
const (
	RunPending   RunPhase = "Pending"   // no trial has trained yet
	RunRunning   RunPhase = "Running"   // at least one trial has trained, and the run has not ended
	RunSuspended RunPhase = "Suspended" // spec.suspend is true; pods may still be writing checkpoints
	RunSucceeded RunPhase = "Succeeded" // terminal
	RunFailed    RunPhase = "Failed"    // terminal
)

// TrialPhase is the state of a trial.
type TrialPhase string

// Phases of a trial.
const (
	TrialWaiting   TrialPhase = "Waiting"   // no Job yet, or between two attempts
	TrialStarting  TrialPhase = "Starting"  // the newest attempt has a Job and has not reported yet
	TrialRunning   TrialPhase = "Running"   // reports arrive
	TrialFinishing TrialPhase = "Finishing" // the pod ended with exit code 0; its last report has not been read yet
	TrialStopping  TrialPhase = "Stopping"  // the trial is to end early; its pod writes a checkpoint
	TrialSucceeded TrialPhase = "Succeeded" // terminal: all epochs were trained
	TrialStopped   TrialPhase = "Stopped"   // terminal: ended early on purpose; its best can still be selected
	TrialFailed    TrialPhase = "Failed"    // terminal; its best checkpoint can still be selected
)

// Terminal reports whether the trial has ended for good.
func (p TrialPhase) Terminal() bool {
	return p == TrialSucceeded || p == TrialStopped || p == TrialFailed
}

// TrainingRunStatus says what has happened to a run. status.trials is the record; phase, done, progress and
// conditions are derived from it.
type TrainingRunStatus struct {
	// observedGeneration is the metadata.generation of the run that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase sums up the conditions for people: Pending, Running, Suspended, Succeeded or Failed. Nothing else depends
	// on it.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// done is how many of the run's trials have ended, such as "3/5".
	// +optional
	Done string `json:"done,omitempty"`
	// progress is how many of the epochs of all trials are finished, such as "17/40".
	// +optional
	Progress string `json:"progress,omitempty"`
	// startTime is when the operator admitted the run. Unset until then.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// completionTime is when the last trial ended, or when the operator refused the run for its settings. Unset while
	// the run has not ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// activeSeconds is the number of seconds in which the run was admitted and not suspended, up to activeSince.
	// activeDeadlineSeconds limits this time, including the time since activeSince.
	// +optional
	ActiveSeconds int64 `json:"activeSeconds,omitempty"`
	// activeSince is the time since which the run has been active without a break. The time since then is not yet in
	// activeSeconds. Unset while the run is suspended, before it was admitted and after it has ended.
	// +optional
	ActiveSince *metav1.Time `json:"activeSince,omitempty"`
	// cost is the sum of the cost of all trials.
	// +optional
	Cost *Cost `json:"cost,omitempty"`
	// conditions describes the state of the run. The types are Admitted, Running, Suspended, MetricsHealthy,
	// BestSelected, Succeeded and Failed. True is the good state, except for Suspended and Failed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// trials is the record of the run, with one entry per trial.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	Trials []TrialStatus `json:"trials,omitempty"`
	// best is the best checkpoint of the sweep so far. It is final once the run has ended. Unset while no trial has
	// reported a checkpoint that may be chosen.
	// +optional
	Best *Best `json:"best,omitempty"`
	// stream says from where in the report stream the run's reports are read.
	// +optional
	Stream *StreamPosition `json:"stream,omitempty"`
}

// Cost is the time that pods took, from when a node accepted a pod until the pod ended. Attempts that have not ended
// are not counted yet.
type Cost struct {
	// podSeconds is the sum, over all ended attempts, of the seconds that the pod existed on a node.
	// +optional
	PodSeconds int64 `json:"podSeconds,omitempty"`
	// gpuSeconds is the sum, over all ended attempts, of the seconds of the pod times its number of GPUs.
	// +optional
	GPUSeconds int64 `json:"gpuSeconds,omitempty"`
	// lostSeconds is the part of podSeconds that was lost: the time in attempts that were followed by another
	// attempt, in which they trained no epoch that a later attempt resumed from.
	// +optional
	LostSeconds int64 `json:"lostSeconds,omitempty"`
	// lostGPUSeconds is the part of gpuSeconds that was lost: lostSeconds of each attempt times the number of GPUs of
	// its pod.
	// +optional
	LostGPUSeconds int64 `json:"lostGPUSeconds,omitempty"`
}

// StreamPosition says from where in the report stream a run's reports are read.
type StreamPosition struct {
	// id identifies the stream: it is the time at which the stream was created. Another id means that the stream was
	// deleted or replaced.
	ID string `json:"id"`
	// sequence is the stream sequence of the first message that can be a report of this run.
	Sequence int64 `json:"sequence"`
}

// TrialStatus is the record of one trial.
type TrialStatus struct {
	// name is the name of the trial, such as d50. It is the key of the trial everywhere.
	Name string `json:"name"`
	// depth is the ResNet depth that the trial trains.
	Depth Depth `json:"depth"`
	// phase is the state of the trial: Waiting, Starting, Running, Finishing, Stopping, Succeeded, Stopped or Failed.
	Phase TrialPhase `json:"phase"`
	// reason is the reason for the phase, in one CamelCase word.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
	// message explains the phase to people. For a failure it is the message that the pod left, with a file and line
	// where there is one.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
	// exitCode is the exit code of the trainer container in the newest attempt that has ended and had one.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// attempt is the number of the newest attempt, counted from 1. 0 before the first attempt.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// retries is how many of the failurePolicy.maxRetries retries were spent.
	// +optional
	Retries int32 `json:"retries,omitempty"`
	// interruptions is how many attempts were stopped from outside and started again. failurePolicy.maxInterruptions
	// limits it.
	// +optional
	Interruptions int32 `json:"interruptions,omitempty"`
	// attempts is the record of the newest 16 attempts, in order.
	// +optional
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=16
	Attempts []AttemptStatus `json:"attempts,omitempty"`
	// cost is what all ended attempts of the trial took, including those that are older than the newest 16.
	// +optional
	Cost *Cost `json:"cost,omitempty"`
	// cohort is the decision of earlyStopping.cohort to stop the trial, or, in a dry run, that it would have stopped
	// the trial. Unset if there was none.
	// +optional
	Cohort *CohortVerdict `json:"cohort,omitempty"`
	// nextAttemptTime is the earliest time at which the next attempt may start. Set while the trial waits between two
	// attempts.
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
	// pod is the name of the pod of the newest attempt.
	// +optional
	Pod string `json:"pod,omitempty"`
	// node is the name of the node of that pod.
	// +optional
	Node string `json:"node,omitempty"`
	// startTime is when the first attempt started.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// completionTime is when the trial ended. Unset until then.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// epoch is the number of the last finished epoch, counted from 1. 0 before the first.
	// +optional
	Epoch int32 `json:"epoch,omitempty"`
	// epochs is how many epochs the trial will train.
	// +optional
	Epochs int32 `json:"epochs,omitempty"`
	// secondsLeft estimates in how many seconds the trial will have trained all its epochs, from the duration of the
	// last epoch. Unset where that is not known.
	// +optional
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`
	// last holds the validation metrics of the newest epoch that was measured.
	// +optional
	Last *Metrics `json:"last,omitempty"`
	// best holds the best validation metrics so far that have a committed checkpoint.
	// +optional
	Best *BestMetrics `json:"best,omitempty"`
	// test holds the metrics of the best checkpoint on the test split. They are measured once, at the end of the
	// trial, and never used to select anything.
	// +optional
	Test *Metrics `json:"test,omitempty"`
	// curve is the validation AUC-PR by epoch. Of longer curves at most 128 points are kept, among them both ends and
	// the best.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Curve []CurvePoint `json:"curve,omitempty"`
	// digests identifies the data that the trial learned from. Trials whose digests differ are not compared.
	// +optional
	Digests *Digests `json:"digests,omitempty"`
	// reportsSeen is how many reports of the trial the operator has read, duplicates not counted.
	// +optional
	ReportsSeen int64 `json:"reportsSeen,omitempty"`
	// gaps is how many reports of the trial are known to be missing.
	// +optional
	Gaps int64 `json:"gaps,omitempty"`
	// duplicates is how many reports arrived again after they were read. They change nothing else.
	// +optional
	Duplicates int64 `json:"duplicates,omitempty"`
}

// AttemptStatus is the record of one attempt: one pod of a trial.
type AttemptStatus struct {
	// number is the number of the attempt, counted from 1.
	Number int32 `json:"number"`
	// class says how the attempt ended: Succeeded, BadSettings, BadData, Diverged, NoDevice, Interrupted,
	// OutOfMemory, Stalled, Crashed or ReportsLost. Unset until it has ended.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Class string `json:"class,omitempty"`
	// exitCode is the exit code of the trainer container. Unset until the attempt has ended, and if the container
	// reported none.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// node is the name of the node that the pod of the attempt ran on.
	// +optional
	Node string `json:"node,omitempty"`
	// fromEpoch is the last epoch of the checkpoint that the attempt resumed from. 0 means that it started from the
	// beginning. Unset until the attempt has reported.
	// +optional
	FromEpoch *int32 `json:"fromEpoch,omitempty"`
	// epoch is the last epoch that the attempt has finished, as far as it has reported.
	// +optional
	Epoch int32 `json:"epoch,omitempty"`
	// startTime is when a node accepted the pod of the attempt.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// endTime is when the pod of the attempt ended. Unset until then.
	// +optional
	EndTime *metav1.Time `json:"endTime,omitempty"`
	// gpuSeconds is the number of seconds from startTime to endTime times the number of GPUs of the pod. Unset until
	// the attempt has ended.
	// +optional
	GPUSeconds int64 `json:"gpuSeconds,omitempty"`
	// lostSeconds is the number of seconds from startTime to endTime in which the attempt trained no epoch that a later
	// attempt resumed from. Unset until a later attempt has reported where it resumed.
	// +optional
	LostSeconds *int64 `json:"lostSeconds,omitempty"`
}

// CohortVerdict is a decision of earlyStopping.cohort to stop a trial.
type CohortVerdict struct {
	// epoch is the epoch at which the trials were compared.
	Epoch int32 `json:"epoch"`
	// aucPR is the best AUC-PR that the trial had reached by that epoch.
	AUCPR Decimal `json:"aucPR"`
	// median is the median of the best AUC-PR that the other trials had reached by that epoch.
	Median Decimal `json:"median"`
	// dryRun is true if earlyStopping.cohort.dryRun was set, so that the trial was not stopped.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// cost is how much lower the AUC-PR of the sweep's best would be if every trial with such a decision had been
	// stopped. Set at the end of a run with earlyStopping.cohort.dryRun.
	// +optional
	Cost Decimal `json:"cost,omitempty"`
}

// Metrics holds what was measured on one split at one epoch. Numbers are decimal strings with four digits after the
// point.
type Metrics struct {
	// aucPR is the average precision, from 0 to 1.
	AUCPR Decimal `json:"aucPR"`
	// aucPRLow is the lower end of the 95 % bootstrap interval of aucPR. The bootstrap draws packages.
	// +optional
	AUCPRLow Decimal `json:"aucPRLow,omitempty"`
	// aucPRHigh is the upper end of the 95 % bootstrap interval of aucPR. The bootstrap draws packages.
	// +optional
	AUCPRHigh Decimal `json:"aucPRHigh,omitempty"`
	// f1 is the F1 score at threshold, from 0 to 1.
	F1 Decimal `json:"f1"`
	// precision is the precision at threshold, from 0 to 1.
	Precision Decimal `json:"precision"`
	// recall is the recall at threshold, from 0 to 1.
	Recall Decimal `json:"recall"`
	// threshold is a calibrated logit: a sample whose logit is at or above it counts as a defect. It was chosen on the
	// validation split.
	Threshold SignedDecimal `json:"threshold"`
	// prevalence is the share of defects in the split, from 0 to 1. It is the chance level: the AUC-PR of a model that
	// has learned nothing.
	// +optional
	Prevalence Decimal `json:"prevalence,omitempty"`
	// samples is the number of samples in the split.
	// +optional
	Samples int32 `json:"samples,omitempty"`
}

// SignedDecimal is a Decimal that may be negative.
//
// +kubebuilder:validation:MaxLength=24
type SignedDecimal string

// BestMetrics holds metrics with the epoch and the checkpoint that they belong to.
type BestMetrics struct {
	Metrics `json:",inline"`
	// epoch is the epoch at which the metrics were measured.
	Epoch int32 `json:"epoch"`
	// checkpoint is the committed checkpoint with the weights on which the metrics were measured.
	Checkpoint CheckpointRef `json:"checkpoint"`
}

// CheckpointRef names a committed checkpoint: one that is completely written and will not change.
type CheckpointRef struct {
	// uri is the location of the checkpoint's directory, as the trial's pod sees it.
	// +kubebuilder:validation:MaxLength=2048
	URI string `json:"uri"`
	// digest is the sha256 digest of the checkpoint's manifest.json, which lists the digests of all its files.
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest"`
}

// CurvePoint is one point of a learning curve.
type CurvePoint struct {
	// epoch is the epoch of the point.
	Epoch int32 `json:"epoch"`
	// aucPR is the AUC-PR on the validation split at that epoch.
	AUCPR Decimal `json:"aucPR"`
}

// Digests identifies the data that a trial learned from.
type Digests struct {
	// data is the digest of the images and of dataset.yaml.
	Data string `json:"data"`
	// labels is the digest of the file of labels.
	Labels string `json:"labels"`
	// overlay is the digest of the file of label corrections. Empty if there is none.
	// +optional
	Overlay string `json:"overlay,omitempty"`
	// split is the digest of the split: which sample is in training, validation or test.
	Split string `json:"split"`
}

// Best is the best checkpoint of the sweep.
type Best struct {
	// trial is the name of the trial that wrote the checkpoint, such as d50.
	Trial string `json:"trial"`
	// depth is the ResNet depth of that trial.
	Depth Depth `json:"depth"`
	// BestMetrics are the metrics, the epoch and the checkpoint.
	BestMetrics `json:",inline"`
	// aucPRPerGPUHour is aucPR divided by the GPU-hours of all attempts of the trial. Unset until that trial has
	// ended, and if it used no GPU.
	// +optional
	AUCPRPerGPUHour Decimal `json:"aucPRPerGPUHour,omitempty"`
	// runnerUp is the trial that would be the best if this one were left out. Unset if there is none.
	// +optional
	RunnerUp *RunnerUp `json:"runnerUp,omitempty"`
	// reason says in one or two sentences why this checkpoint was selected, and not that of the runner-up.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// provisional is true while the choice can still change, because trials have not ended or reports have not been
	// read.
	// +optional
	Provisional bool `json:"provisional,omitempty"`
}

// RunnerUp is the second best trial of a sweep.
type RunnerUp struct {
	// trial is the name of the second best trial.
	Trial string `json:"trial"`
	// aucPR is the AUC-PR of its best checkpoint on the validation split.
	AUCPR Decimal `json:"aucPR"`
	// epoch is the epoch of that checkpoint.
	Epoch int32 `json:"epoch"`
	// lead is how far the best trial is ahead of this one, on the validation samples that both scored. Set at the end
	// of the run, if both reported the scores of the same samples.
	// +optional
	Lead *Lead `json:"lead,omitempty"`
}

// Lead is a difference in AUC-PR between two trials, with its 95 % bootstrap interval. The bootstrap draws packages,
// and is paired: both trials are scored on every draw.
type Lead struct {
	// value is the difference: AUC-PR of the best less AUC-PR of the runner-up.
	Value SignedDecimal `json:"value"`
	// low is the lower end of the 95 % interval of the difference.
	Low SignedDecimal `json:"low"`
	// high is the upper end of the 95 % interval of the difference.
	High SignedDecimal `json:"high"`
	// withinNoise is true if the interval contains 0: these samples cannot tell which of the two is better.
	WithinNoise bool `json:"withinNoise"`
}
