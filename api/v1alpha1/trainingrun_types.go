package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TrainingRun trains ResNets of several depths on one labelled image set. It trains one trial per depth, in parallel,
// and selects the checkpoint with the best AUC-PR of all trials. A run that has ended is never started again: a retry
// is a new TrainingRun.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=trun,categories=plumbline
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Done",type=string,JSONPath=`.status.done`,description="Number of trials that have ended, of all trials."
// +kubebuilder:printcolumn:name="Best",type=string,JSONPath=`.status.best.trial`
// +kubebuilder:printcolumn:name="AUC-PR",type=string,JSONPath=`.status.best.aucPR`,description="AUC-PR of the best checkpoint on the validation split."
// +kubebuilder:printcolumn:name="Epoch",type=string,JSONPath=`.status.progress`,description="Number of finished epochs, of the epochs of all trials."
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')",message="metadata.name must be at most 40 characters without dots: the names of Jobs are made from it"
type TrainingRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what to train. Only suspend, stopTrials, parallelism and ttlSecondsAfterFinished can be changed after
	// the run was created.
	// +required
	Spec TrainingRunSpec `json:"spec"`
	// status says what has happened to the run. Only the operator writes it.
	// +optional
	Status TrainingRunStatus `json:"status,omitempty"`
}

// TrainingRunList is a list of TrainingRuns.
//
// +kubebuilder:object:root=true
type TrainingRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrainingRun `json:"items"`
}

// TrainingRunSpec says what to train. After the run was created no field can be added, changed or removed, except
// suspend, stopTrials, parallelism and ttlSecondsAfterFinished.
//
// +kubebuilder:validation:XValidation:rule="self.depths == oldSelf.depths",message="depths cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.overrides) == has(oldSelf.overrides) && (!has(self.overrides) || self.overrides == oldSelf.overrides)",message="overrides cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.dataset == oldSelf.dataset",message="dataset cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.pretrained) == has(oldSelf.pretrained) && (!has(self.pretrained) || self.pretrained == oldSelf.pretrained)",message="pretrained cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.hyperparameters) == has(oldSelf.hyperparameters) && (!has(self.hyperparameters) || self.hyperparameters == oldSelf.hyperparameters)",message="hyperparameters cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.imbalance) == has(oldSelf.imbalance) && (!has(self.imbalance) || self.imbalance == oldSelf.imbalance)",message="imbalance cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.objective) == has(oldSelf.objective) && (!has(self.objective) || self.objective == oldSelf.objective)",message="objective cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.earlyStopping) == has(oldSelf.earlyStopping) && (!has(self.earlyStopping) || self.earlyStopping == oldSelf.earlyStopping)",message="earlyStopping cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.failurePolicy) == has(oldSelf.failurePolicy) && (!has(self.failurePolicy) || self.failurePolicy == oldSelf.failurePolicy)",message="failurePolicy cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.activeDeadlineSeconds) == has(oldSelf.activeDeadlineSeconds) && (!has(self.activeDeadlineSeconds) || self.activeDeadlineSeconds == oldSelf.activeDeadlineSeconds)",message="activeDeadlineSeconds cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.stallTimeoutSeconds) == has(oldSelf.stallTimeoutSeconds) && (!has(self.stallTimeoutSeconds) || self.stallTimeoutSeconds == oldSelf.stallTimeoutSeconds)",message="stallTimeoutSeconds cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.nodeLossSeconds) == has(oldSelf.nodeLossSeconds) && (!has(self.nodeLossSeconds) || self.nodeLossSeconds == oldSelf.nodeLossSeconds)",message="nodeLossSeconds cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.checkpoint == oldSelf.checkpoint",message="checkpoint cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.template == oldSelf.template",message="template cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="!has(self.stopTrials) || self.stopTrials.all(t, int(t.substring(1)) in self.depths)",message="stopTrials may name only trials of depths that are listed in depths, such as d50 for depth 50"
// +kubebuilder:validation:XValidation:rule="!has(self.failurePolicy) || !has(self.failurePolicy.minSucceededTrials) || self.failurePolicy.minSucceededTrials <= self.depths.size()",message="failurePolicy.minSucceededTrials is higher than the number of depths: lower it, or list more depths"
// +kubebuilder:validation:XValidation:rule="!has(self.overrides) || self.overrides.all(o, o.depth in self.depths)",message="overrides may name only depths that are listed in depths"
// +kubebuilder:validation:XValidation:rule="has(self.pretrained) || !has(self.hyperparameters) || !has(self.hyperparameters.headEpochs) || self.hyperparameters.headEpochs == 0",message="hyperparameters.headEpochs needs pretrained, because a head on random weights learns nothing: set pretrained, or set headEpochs to 0"
// +kubebuilder:validation:XValidation:rule="!has(self.pretrained) || self.depths.size() < 2 || self.pretrained.uri.contains('{depth}')",message="pretrained.uri must contain {depth}, because each depth needs its own file of weights: for example file:///data/pretrained/resnet{depth}.safetensors"
type TrainingRunSpec struct {
	// depths lists the ResNet depths to train. Each depth is one trial. Possible values: 18, 34, 50, 101, 152.
	// Default: all five. Immutable.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:default={18,34,50,101,152}
	Depths []Depth `json:"depths,omitempty"`

	// overrides changes settings of single depths, at most one entry per depth. Default: none. Immutable.
	// +optional
	// +listType=map
	// +listMapKey=depth
	// +kubebuilder:validation:MaxItems=5
	Overrides []DepthOverride `json:"overrides,omitempty"`

	// dataset says where the samples are and how they are divided into training, validation and test. Immutable.
	// +required
	Dataset Dataset `json:"dataset"`

	// pretrained says which weights the trials start from. Default: random weights. Immutable.
	// +optional
	Pretrained *Pretrained `json:"pretrained,omitempty"`

	// hyperparameters holds the training settings of every trial. A setting that is left out takes the value of
	// hyperparameters.preset; docs/training.md lists these values. The operator resolves all settings when it starts
	// a trial, and the manifest of each checkpoint records them. Immutable.
	// +optional
	Hyperparameters *Hyperparameters `json:"hyperparameters,omitempty"`

	// imbalance says how training makes up for defects that are rare in the data. Default: the values of
	// hyperparameters.preset. Immutable.
	// +optional
	Imbalance *Imbalance `json:"imbalance,omitempty"`

	// objective says which checkpoint of the run is the best. Default: the one with the highest AUC-PR on the
	// validation split. Immutable.
	// +optional
	Objective *Objective `json:"objective,omitempty"`

	// parallelism is how many trials may have a pod at the same time. Range: 1 to 5. Default: all trials of the run.
	// It can be changed at any time; a lower value ends no pod that runs.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Parallelism *int32 `json:"parallelism,omitempty"`

	// suspend pauses the run while it is true. Each pod writes a checkpoint and ends, which spends no retry, and
	// activeDeadlineSeconds does not count the time. When it is false again, trials resume from their checkpoints.
	// Default: false. It can be changed at any time.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// stopTrials names trials to end now, such as d152. The pod of such a trial writes a checkpoint first, and the
	// best checkpoint of the trial can still become the best of the run. A stopped trial never starts again, even
	// when its name is removed from the list. At most 5 names, each of a depth in depths. Default: none. It can be
	// changed at any time.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	StopTrials []TrialName `json:"stopTrials,omitempty"`

	// activeDeadlineSeconds is how many seconds the run may be active. Time in which the run is suspended is not
	// counted. At the deadline the operator stops the trials that have not ended, and the run fails with the reason
	// DeadlineExceeded. Its best checkpoint so far is kept. Range: 1 to 2147483647. Default: no deadline. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// stallTimeoutSeconds is how many seconds a pod may run without finishing a training step or other work, such as
	// evaluating a batch, decoding an image or writing a checkpoint. The pod then ends itself with exit code 77, and
	// the trial is retried, which spends one of failurePolicy.maxRetries. 0 turns this check off. Range: 0 to 86400.
	// Default: 1800. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	StallTimeoutSeconds *int32 `json:"stallTimeoutSeconds,omitempty"`

	// nodeLossSeconds is how many seconds to wait, after the grace period of a terminating pod, before its node is
	// considered lost. The operator then treats the pod as ended and retries its trial in another pod, which spends
	// no retry. Range: 0 to 86400. Default: 120. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	NodeLossSeconds *int32 `json:"nodeLossSeconds,omitempty"`

	// ttlSecondsAfterFinished is how many seconds after its end the run is deleted. The operator first waits until
	// every ModelVersion of the run is published or has failed. Deleting a run does not delete its checkpoints; plumb
	// prune removes them. Minimum: 0. Default: the run is never deleted. It can be changed at any time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// earlyStopping ends trials before their last epoch when they no longer improve, or when they fall behind the
	// others. Default: every trial trains all its epochs. Immutable.
	// +optional
	EarlyStopping *EarlyStopping `json:"earlyStopping,omitempty"`

	// failurePolicy says how often a trial is retried, and how many trials may fail before the run fails. Default:
	// each trial is retried at most 3 times, and the run succeeds if one trial does. Immutable.
	// +optional
	FailurePolicy *FailurePolicy `json:"failurePolicy,omitempty"`

	// checkpoint says where and how often trials write checkpoints. Immutable.
	// +required
	Checkpoint Checkpoint `json:"checkpoint"`

	// template describes the pods of the trials: image, volumes, resources. Immutable.
	// +required
	Template PodTemplate `json:"template"`
}

// Depth is a ResNet depth.
//
// +kubebuilder:validation:Enum=18;34;50;101;152
type Depth int32

// TrialName is the name of a trial, such as d50.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^d[1-9][0-9]*$`
type TrialName string

// DepthOverride changes settings of one depth.
type DepthOverride struct {
	// depth is the ResNet depth whose settings change. It must be listed in spec.depths.
	// +required
	Depth Depth `json:"depth"`
	// batchSize is the number of samples in a training batch of this depth. The learning rate is not rescaled with
	// it. Range: 2 to 4096. Default: hyperparameters.batchSize.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=4096
	BatchSize *int32 `json:"batchSize,omitempty"`
	// accumulate is the number of equal parts in which a batch of this depth is computed, one after the other, to
	// save memory. It must divide the batch size into parts of at least two samples. Range: 1 to 1024. Default:
	// hyperparameters.accumulate.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Accumulate *int32 `json:"accumulate,omitempty"`
	// epochs is the number of epochs that this depth trains. Range: 1 to 10000. Default: hyperparameters.epochs.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Epochs *int32 `json:"epochs,omitempty"`
	// resources is what the container of this depth's pods requests and is limited to. It replaces template.resources
	// as a whole. Default: template.resources.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Dataset says where the samples are and how they are divided.
type Dataset struct {
	// uri is the location of the directory that holds dataset.yaml: a file:/// path inside the trials' pods, such as
	// file:///data/erasers.
	// +required
	URI Location `json:"uri"`
	// corrections is the location of a file of label corrections, such as file:///data/erasers/corrections.csv. The
	// corrections replace labels of the data set while it is read. Default: the file that dataset.yaml names, if any.
	// +optional
	Corrections *Location `json:"corrections,omitempty"`
	// split says how the samples are divided into training, validation and test. Default: 60 % training, 20 %
	// validation and 20 % test, with the samples of a package kept together.
	// +optional
	Split *Split `json:"split,omitempty"`
}

// Location is the file:/// URI of a path inside the pods. The API server does not check whether a volume is mounted
// there, because the data may be in the image, and a cluster's webhooks may mount volumes that the template does not
// name. A pod that finds nothing at the path ends with a message that names the location.
//
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="self.startsWith('file:///')",message="must be a file:/// location: the path of a file or directory inside the pods, on a volume that they mount or in their image"
// +kubebuilder:validation:XValidation:rule="!self.contains('/../') && !self.endsWith('/..')",message="must not contain .. as a part of the path"
type Location string

// Split divides the samples without dividing a package.
//
// +kubebuilder:validation:XValidation:rule="(has(self.test) ? double(self.test) : 0.2) + (has(self.validation) ? double(self.validation) : 0.2) < 0.9",message="test and validation together must leave more than a tenth of the samples for training: lower one of them"
type Split struct {
	// groupBy says which samples stay on the same side of the split. With package, the samples of one package stay
	// together; where the data names no packages, each 15 successive samples count as one. With none, every sample is
	// placed independently. Default: package.
	// +optional
	// +kubebuilder:validation:Enum=package;none
	GroupBy string `json:"groupBy,omitempty"`
	// test is the share of samples in the test split. They are scored once, at the end of a trial, and never used to
	// select anything. "0" makes no test split. Range: "0" to below "1"; test and validation together must be below
	// "0.9". Default: "0.2".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) < 1.0",message="must be below 1: it is a share of the samples"
	Test *Decimal `json:"test,omitempty"`
	// validation is the share of samples in the validation split. Epoch, threshold and depth are selected on it.
	// Range: above "0" and below "1"; test and validation together must be below "0.9". Default: "0.2".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) > 0.0 && double(self) < 1.0",message="must be above 0 and below 1: it is a share of the samples"
	Validation *Decimal `json:"validation,omitempty"`
	// seed decides by chance which samples are placed on which side of the split. The same seed and data give the
	// same split. Minimum: 0. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed *int64 `json:"seed,omitempty"`
}

// Pretrained says which weights trials start from.
//
// +kubebuilder:validation:XValidation:rule="(has(self.inputAdaptation) && self.inputAdaptation == 'mapped') == has(self.colours)",message="colours and inputAdaptation mapped need each other: set both, or neither"
type Pretrained struct {
	// uri is the location of a .safetensors file with torchvision's or timm's tensor names: a file:/// path inside
	// the trials' pods. {depth} in it is replaced by the depth of the trial, as in
	// file:///data/pretrained/resnet{depth}.safetensors. With more than one depth it must contain {depth}.
	// +required
	URI Location `json:"uri"`
	// inputAdaptation says how the first convolution, which was trained for the colours R, G and B, is adapted to the
	// channels of the data. tile repeats the kernels of R, G and B over the channels, as timm does. mean gives each
	// channel the mean of the three. mapped gives each channel the kernels that colours names. Default: tile.
	// +optional
	// +kubebuilder:validation:Enum=tile;mean;mapped
	InputAdaptation string `json:"inputAdaptation,omitempty"`
	// colours says which kernels each channel inherits when inputAdaptation is mapped. It needs one entry for every
	// channel of the data, and must be left out otherwise. 1 to 64 entries.
	// +optional
	// +listType=map
	// +listMapKey=channel
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Colours []ChannelColour `json:"colours,omitempty"`
}

// ChannelColour says whose kernels a channel inherits.
type ChannelColour struct {
	// channel is the name of a channel of the data, as in dataset.yaml.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Channel string `json:"channel"`
	// colour is the colour whose kernels the channel inherits: R, G, B, or mean for the mean of the three.
	// +required
	// +kubebuilder:validation:Enum=R;G;B;mean
	Colour string `json:"colour"`
}

// EarlyStopping ends a trial before its last epoch.
//
// +kubebuilder:validation:XValidation:rule="has(self.patience) || has(self.cohort)",message="earlyStopping needs patience or cohort: set at least one of them, or remove earlyStopping"
type EarlyStopping struct {
	// patience is the number of epochs in a row, without a higher AUC-PR than the trial had before, after which the
	// trial ends. The epochs of headEpochs are not counted. A trial that resumes keeps the count. Range: 1 to 10000.
	// Default: a trial is never ended for this reason.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Patience *int32 `json:"patience,omitempty"`
	// cohort stops a trial whose best AUC-PR is far below that of the other trials of the run. Default: trials are
	// not compared.
	// +optional
	Cohort *CohortStopping `json:"cohort,omitempty"`
}

// CohortStopping stops a running trial whose best AUC-PR so far lies more than margin below the median of the best
// AUC-PR that the other trials had reached by the same epoch. Trials that failed are left out. At least two others
// must have reached the epoch.
type CohortStopping struct {
	// graceEpochs is how many epochs each trial may train before it is compared with the others. Range: 1 to 10000.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	GraceEpochs int32 `json:"graceEpochs"`
	// margin is how far below the median of the others the best AUC-PR of a trial must lie for the trial to be
	// stopped. Range: above "0", at most "1". Default: "0.1".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) > 0.0 && double(self) <= 1.0",message="must be above 0 and at most 1: it is a difference in AUC-PR"
	Margin *Decimal `json:"margin,omitempty"`
	// dryRun stops no trial while it is true. status.trials[].cohort then says which trials would have been stopped,
	// and how much AUC-PR that would have cost. Default: false.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
}

// Objective says which checkpoint is the best.
type Objective struct {
	// metric is the metric by which the best checkpoint is selected. The only value is AUCPR: the average precision
	// on the validation split. Default: AUCPR.
	// +optional
	// +kubebuilder:validation:Enum=AUCPR
	Metric string `json:"metric,omitempty"`
	// tieMargin is the distance from the highest AUC-PR within which trials count as equal. Among them the smallest
	// depth wins. Range: "0" to "1". Default: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1"
	TieMargin *Decimal `json:"tieMargin,omitempty"`
	// minValue is the lowest AUC-PR with which a checkpoint can be the best. Range: "0" to "1". Default: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1"
	MinValue *Decimal `json:"minValue,omitempty"`
}

// FailurePolicy says how often a trial is retried, and how many trials may fail.
//
// An attempt that ended for a reason that would repeat (bad settings, bad data, a missing GPU, a diverged loss) is
// not retried. An attempt that ran out of memory, crashed or stalled is retried at most maxRetries times, after a
// growing wait. An attempt that was stopped from outside (preemption, eviction, node loss) is retried without
// spending a retry.
type FailurePolicy struct {
	// maxRetries is how often one trial is retried after an attempt ran out of memory, crashed, stalled, or ended
	// without its last report. Attempts that were stopped from outside are not counted. Range: 0 to 100. Default: 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRetries *int32 `json:"maxRetries,omitempty"`
	// maxInterruptions is how often one trial is started again after it was stopped from outside: by preemption,
	// eviction or node loss. At the next interruption the trial fails, so that a cluster that cannot hold its pod
	// does not try for ever. Range: 0 to 800. Default: 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=800
	MaxInterruptions *int32 `json:"maxInterruptions,omitempty"`
	// maxFailedTrials is how many trials may fail. When more have failed, the operator stops the other trials and the
	// run fails. Range: 0 to 4. Default: the number of trials less minSucceededTrials.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	MaxFailedTrials *int32 `json:"maxFailedTrials,omitempty"`
	// minSucceededTrials is how many trials must succeed for the run to succeed. A trial that was stopped, by
	// stopTrials or by earlyStopping, counts if it has a checkpoint. Range: 1 to 5, at most the number of depths.
	// Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	MinSucceededTrials *int32 `json:"minSucceededTrials,omitempty"`
}

// Checkpoint says where and how often trials write checkpoints.
type Checkpoint struct {
	// uri is the location of the directory that receives the checkpoints: a file:/// path inside the trials' pods,
	// such as file:///checkpoints. It must be on a volume that the pods mount, because the file system of a container
	// is read-only.
	// +required
	URI Location `json:"uri"`
	// everyEpochs is the number of epochs between two checkpoints from which a trial can resume. Trials also write
	// such a checkpoint after their last epoch and when they are asked to stop. Range: 1 to 1000. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	EveryEpochs *int32 `json:"everyEpochs,omitempty"`
	// keepLast is how many of its newest resume checkpoints an attempt keeps, so that one damaged file does not lose
	// the trial. Range: 2 to 100. Default: 2.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=100
	KeepLast *int32 `json:"keepLast,omitempty"`
	// resumeFrom is the uid (metadata.uid) of an older run with checkpoints below the same uri. Each trial starts
	// from the newest checkpoint that the trial of the same name wrote in that run. The settings and the data must be
	// the same, except that epochs may be higher and earlyStopping may differ. A trial for which the older run left
	// no such checkpoint fails. Default: trials start from the beginning.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	// +kubebuilder:validation:MaxLength=36
	ResumeFrom *string `json:"resumeFrom,omitempty"`
}
