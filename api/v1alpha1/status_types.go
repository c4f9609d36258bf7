package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a TrainingRun. True is the good state for all of them but Suspended and Failed. They are derived from status.trials and
// never read back.
const (
	// ConditionAdmitted is True once the run was accepted: its settings resolve and its credential exists. False says what
	// must be changed.
	ConditionAdmitted = "Admitted"
	// ConditionRunning is True while at least one trial has a pod that trains. False says what the run waits for, or that it ended.
	ConditionRunning = "Running"
	// ConditionSuspended is True while spec.suspend is, once every pod has saved itself and ended.
	ConditionSuspended = "Suspended"
	// ConditionMetricsHealthy is True while the operator reads the report stream and misses nothing. False says what is wrong;
	// trials go on training meanwhile, and their reports arrive later.
	ConditionMetricsHealthy = "MetricsHealthy"
	// ConditionBestSelected is True when status.best is final. While trials run it is False with reason Provisional.
	ConditionBestSelected = "BestSelected"
	// ConditionSucceeded is True when the run ended as failurePolicy asks: by default, with one trial that succeeded.
	ConditionSucceeded = "Succeeded"
	// ConditionFailed is True when the run ended without that; its message is the first failure's sentence.
	ConditionFailed = "Failed"
)

// RunPhase sums up the conditions for the printer. Nothing decides by it.
type RunPhase string

const (
	RunPending   RunPhase = "Pending"   // no trial has trained yet
	RunRunning   RunPhase = "Running"   //
	RunSuspended RunPhase = "Suspended" // by spec.suspend; pods may still be saving themselves
	RunSucceeded RunPhase = "Succeeded" // terminal
	RunFailed    RunPhase = "Failed"    // terminal
)

// TrialPhase is where a trial is.
type TrialPhase string

const (
	TrialWaiting   TrialPhase = "Waiting"   // no Job yet
	TrialStarting  TrialPhase = "Starting"  // a Job, and no report of its attempt yet
	TrialRunning   TrialPhase = "Running"   // reports arrive
	TrialFinishing TrialPhase = "Finishing" // its pod ended well; the report that says so has not been read yet
	TrialStopping  TrialPhase = "Stopping"  // it is to end early; its pod saves itself
	TrialSucceeded TrialPhase = "Succeeded" // terminal
	TrialStopped   TrialPhase = "Stopped"   // terminal: ended early on purpose; its best checkpoint competes
	TrialFailed    TrialPhase = "Failed"    // terminal; a checkpoint that it left competes
)

// Terminal says whether the trial has ended for good.
func (p TrialPhase) Terminal() bool {
	return p == TrialSucceeded || p == TrialStopped || p == TrialFailed
}

// TrainingRunStatus is what has happened. status.trials is the record; phase, done, progress and conditions are derived from it.
type TrainingRunStatus struct {
	// observedGeneration is the generation of spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// phase sums up the conditions.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`
	// done counts ended trials, such as "3/5".
	// +optional
	Done string `json:"done,omitempty"`
	// progress counts finished epochs over all trials, such as "17/40".
	// +optional
	Progress string `json:"progress,omitempty"`
	// startTime is when the run was admitted.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// completionTime is when the last trial ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// activeSeconds in which the run was admitted and not suspended, up to activeSince.
	// +optional
	ActiveSeconds int64 `json:"activeSeconds,omitempty"`
	// activeSince is when the clock was started last; empty while it stands.
	// +optional
	ActiveSince *metav1.Time `json:"activeSince,omitempty"`
	// cost of all trials.
	// +optional
	Cost *Cost `json:"cost,omitempty"`
	// conditions: Admitted, Running, Suspended, MetricsHealthy, BestSelected, Succeeded, Failed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// trials is the record, one entry per trial.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	Trials []TrialStatus `json:"trials,omitempty"`
	// best is the best checkpoint of the sweep.
	// +optional
	Best *Best `json:"best,omitempty"`
	// stream is where the run's reports begin.
	// +optional
	Stream *StreamPosition `json:"stream,omitempty"`
}

// Cost is what pods took, from when a node accepted them until they ended.
type Cost struct {
	// podSeconds of all attempts.
	// +optional
	PodSeconds int64 `json:"podSeconds,omitempty"`
	// gpuSeconds: podSeconds times the GPUs of the pod.
	// +optional
	GPUSeconds int64 `json:"gpuSeconds,omitempty"`
	// lostSeconds of podSeconds in attempts that were tried again, in which no epoch was trained that a later one went on from.
	// +optional
	LostSeconds int64 `json:"lostSeconds,omitempty"`
	// lostGPUSeconds: lostSeconds times the GPUs of the pod.
	// +optional
	LostGPUSeconds int64 `json:"lostGPUSeconds,omitempty"`
}

// StreamPosition is where to read a run's reports from.
type StreamPosition struct {
	// id of the stream: its creation time. Another id means that the stream was wiped or replaced.
	ID string `json:"id"`
	// sequence before which there is no report of this run.
	Sequence int64 `json:"sequence"`
}

// TrialStatus is the record of one trial.
type TrialStatus struct {
	// name is the key, such as d50.
	Name string `json:"name"`
	// depth that it trains.
	Depth Depth `json:"depth"`
	// phase of the trial.
	Phase TrialPhase `json:"phase"`
	// reason for the phase, one CamelCase word.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
	// message for people; for a failure the pod's own sentence, with file and line.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
	// exitCode of the last attempt that ended.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// attempt is the newest one, counted from 1; 0 before the first.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// retries spent, of failurePolicy.maxRetries.
	// +optional
	Retries int32 `json:"retries,omitempty"`
	// interruptions from outside, of failurePolicy.maxInterruptions.
	// +optional
	Interruptions int32 `json:"interruptions,omitempty"`
	// attempts are the newest 16, in order.
	// +optional
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=16
	Attempts []AttemptStatus `json:"attempts,omitempty"`
	// cost of all attempts.
	// +optional
	Cost *Cost `json:"cost,omitempty"`
	// cohort says when earlyStopping.cohort stopped the trial, or would have.
	// +optional
	Cohort *CohortVerdict `json:"cohort,omitempty"`
	// nextAttemptTime is when the next attempt may start, while the trial waits to be tried again.
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
	// pod of the newest attempt.
	// +optional
	Pod string `json:"pod,omitempty"`
	// node of that pod.
	// +optional
	Node string `json:"node,omitempty"`
	// startTime of the first attempt.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// completionTime of the trial.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// epoch that was finished last.
	// +optional
	Epoch int32 `json:"epoch,omitempty"`
	// epochs there will be.
	// +optional
	Epochs int32 `json:"epochs,omitempty"`
	// secondsLeft is an estimate, from the last epoch's duration.
	// +optional
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`
	// last metrics, of epoch.
	// +optional
	Last *Metrics `json:"last,omitempty"`
	// best metrics so far that have a committed checkpoint.
	// +optional
	Best *BestMetrics `json:"best,omitempty"`
	// test metrics of the best checkpoint, measured once at the end. They never select.
	// +optional
	Test *Metrics `json:"test,omitempty"`
	// curve of validation AUC-PR by epoch, thinned to at most 128 points.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Curve []CurvePoint `json:"curve,omitempty"`
	// digests of what it learned from; trials whose digests differ are not compared.
	// +optional
	Digests *Digests `json:"digests,omitempty"`
	// reportsSeen counts reports that were folded.
	// +optional
	ReportsSeen int64 `json:"reportsSeen,omitempty"`
	// gaps counts reports that are known to be missing.
	// +optional
	Gaps int64 `json:"gaps,omitempty"`
	// duplicates counts reports that arrived more than once and were folded once.
	// +optional
	Duplicates int64 `json:"duplicates,omitempty"`
}

// AttemptStatus is the record of one attempt.
type AttemptStatus struct {
	// number of the attempt, counted from 1.
	Number int32 `json:"number"`
	// class of its end, such as Interrupted or OutOfMemory; empty while it has not ended.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Class string `json:"class,omitempty"`
	// exitCode of its container.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// node that it ran on.
	// +optional
	Node string `json:"node,omitempty"`
	// fromEpoch is the last epoch of the checkpoint that it went on from; 0: it began anew. Empty until it has reported.
	// +optional
	FromEpoch *int32 `json:"fromEpoch,omitempty"`
	// epoch that it finished last, as far as it was reported.
	// +optional
	Epoch int32 `json:"epoch,omitempty"`
	// startTime is when a node accepted its pod.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// endTime is when its pod ended.
	// +optional
	EndTime *metav1.Time `json:"endTime,omitempty"`
	// gpuSeconds from startTime to endTime, times the GPUs of the pod. Known once it has ended; what attempts took that are older than
	// the newest 16 stays in the trial's cost.
	// +optional
	GPUSeconds int64 `json:"gpuSeconds,omitempty"`
	// lostSeconds from startTime to endTime in which it trained no epoch that a later attempt went on from. Known once one has.
	// +optional
	LostSeconds *int64 `json:"lostSeconds,omitempty"`
}

// CohortVerdict is a decision of earlyStopping.cohort.
type CohortVerdict struct {
	// epoch at which the trials were compared.
	Epoch int32 `json:"epoch"`
	// aucPR is the trial's best by then.
	AUCPR Decimal `json:"aucPR"`
	// median of what the others had reached by then.
	Median Decimal `json:"median"`
	// dryRun: the trial went on.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
	// cost in AUC-PR of the sweep's best, had the trial been stopped; known when a dry run has ended.
	// +optional
	Cost Decimal `json:"cost,omitempty"`
}

// Metrics of one split at one epoch.
type Metrics struct {
	// aucPR is the average precision.
	AUCPR Decimal `json:"aucPR"`
	// aucPRLow is the lower end of its 95 % bootstrap interval over packages.
	// +optional
	AUCPRLow Decimal `json:"aucPRLow,omitempty"`
	// aucPRHigh is the upper end.
	// +optional
	AUCPRHigh Decimal `json:"aucPRHigh,omitempty"`
	// f1 at the chosen threshold.
	F1 Decimal `json:"f1"`
	// precision at the chosen threshold.
	Precision Decimal `json:"precision"`
	// recall at the chosen threshold.
	Recall Decimal `json:"recall"`
	// threshold on the calibrated logit; defect when the logit is at or above it.
	Threshold SignedDecimal `json:"threshold"`
	// prevalence of defects in the split: what a blind model scores.
	// +optional
	Prevalence Decimal `json:"prevalence,omitempty"`
	// samples in the split.
	// +optional
	Samples int32 `json:"samples,omitempty"`
}

// SignedDecimal is a Decimal that may be negative.
//
// +kubebuilder:validation:MaxLength=24
type SignedDecimal string

// BestMetrics are metrics with the epoch and checkpoint that they belong to.
type BestMetrics struct {
	Metrics `json:",inline"`
	// epoch they were measured at.
	Epoch int32 `json:"epoch"`
	// checkpoint that holds the weights they were measured on.
	Checkpoint CheckpointRef `json:"checkpoint"`
}

// CheckpointRef names a committed checkpoint.
type CheckpointRef struct {
	// uri of its directory.
	// +kubebuilder:validation:MaxLength=2048
	URI string `json:"uri"`
	// digest of its manifest.
	// +kubebuilder:validation:MaxLength=128
	Digest string `json:"digest"`
}

// CurvePoint is one point of a learning curve.
type CurvePoint struct {
	// epoch of the point.
	Epoch int32 `json:"epoch"`
	// aucPR on validation.
	AUCPR Decimal `json:"aucPR"`
}

// Digests identify what a trial learned from.
type Digests struct {
	// data: images and dataset.yaml.
	Data string `json:"data"`
	// labels file.
	Labels string `json:"labels"`
	// overlay of corrections.
	// +optional
	Overlay string `json:"overlay,omitempty"`
	// split into folds.
	Split string `json:"split"`
}

// Best is the best checkpoint of the sweep.
type Best struct {
	// trial that it belongs to.
	Trial string `json:"trial"`
	// depth of that trial.
	Depth Depth `json:"depth"`
	// metrics, epoch and checkpoint.
	BestMetrics `json:",inline"`
	// aucPRPerGPUHour is aucPR divided by the GPU-hours of all attempts of its trial. Known once that trial has ended, where it had GPUs.
	// +optional
	AUCPRPerGPUHour Decimal `json:"aucPRPerGPUHour,omitempty"`
	// runnerUp is the trial that would win without this one.
	// +optional
	RunnerUp *RunnerUp `json:"runnerUp,omitempty"`
	// reason in a sentence.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// provisional while trials that may still win are running.
	// +optional
	Provisional bool `json:"provisional,omitempty"`
}

// RunnerUp is the second best.
type RunnerUp struct {
	// trial that it belongs to.
	Trial string `json:"trial"`
	// aucPR of its best checkpoint.
	AUCPR Decimal `json:"aucPR"`
	// epoch of that checkpoint.
	Epoch int32 `json:"epoch"`
	// lead of the best over it, on the validation samples that both scored. Known at the end of the run.
	// +optional
	Lead *Lead `json:"lead,omitempty"`
}

// Lead is a difference in AUC-PR with its 95 % bootstrap interval over packages, paired: every resample is scored by both.
type Lead struct {
	// value of the difference.
	Value SignedDecimal `json:"value"`
	// low end of the interval.
	Low SignedDecimal `json:"low"`
	// high end.
	High SignedDecimal `json:"high"`
	// withinNoise: the interval holds 0, so these samples cannot tell the two apart.
	WithinNoise bool `json:"withinNoise"`
}
