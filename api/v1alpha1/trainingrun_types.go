package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TrainingRun sweeps ResNet depths over one labelled image set: one trial per depth, in parallel, and the best AUC-PR
// checkpoint of them all. A finished run is never restarted: to retry is a new run.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=trun,categories=plumbline
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Done",type=string,JSONPath=`.status.done`,description="trials that ended, of all"
// +kubebuilder:printcolumn:name="Best",type=string,JSONPath=`.status.best.trial`
// +kubebuilder:printcolumn:name="AUC-PR",type=string,JSONPath=`.status.best.aucPR`,description="of the best checkpoint, on validation"
// +kubebuilder:printcolumn:name="Epoch",type=string,JSONPath=`.status.progress`,description="epochs finished, of all trials' epochs"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')",message="metadata.name must be at most 40 characters without dots: the names of Jobs are made from it"
type TrainingRun struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what to train. Only parallelism may change after creation.
	// +required
	Spec TrainingRunSpec `json:"spec"`
	// status is what has happened. Only the operator writes it.
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

// TrainingRunSpec is what to train. An optional field can be neither added, changed nor removed after creation, parallelism apart.
//
// +kubebuilder:validation:XValidation:rule="self.depths == oldSelf.depths",message="depths cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.overrides) == has(oldSelf.overrides) && (!has(self.overrides) || self.overrides == oldSelf.overrides)",message="overrides cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.dataset == oldSelf.dataset",message="dataset cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.hyperparameters) == has(oldSelf.hyperparameters) && (!has(self.hyperparameters) || self.hyperparameters == oldSelf.hyperparameters)",message="hyperparameters cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.imbalance) == has(oldSelf.imbalance) && (!has(self.imbalance) || self.imbalance == oldSelf.imbalance)",message="imbalance cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.objective) == has(oldSelf.objective) && (!has(self.objective) || self.objective == oldSelf.objective)",message="objective cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="has(self.failurePolicy) == has(oldSelf.failurePolicy) && (!has(self.failurePolicy) || self.failurePolicy == oldSelf.failurePolicy)",message="failurePolicy cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.checkpoint == oldSelf.checkpoint",message="checkpoint cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="self.template == oldSelf.template",message="template cannot change: create another TrainingRun"
// +kubebuilder:validation:XValidation:rule="!has(self.overrides) || self.overrides.all(o, o.depth in self.depths)",message="overrides may name only depths that are listed in depths"
type TrainingRunSpec struct {
	// depths are the ResNet depths to train, one trial each. Default: all five. Immutable.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:default={18,34,50,101,152}
	Depths []Depth `json:"depths,omitempty"`

	// overrides change settings of single depths. Immutable.
	// +optional
	// +listType=map
	// +listMapKey=depth
	// +kubebuilder:validation:MaxItems=5
	Overrides []DepthOverride `json:"overrides,omitempty"`

	// dataset says where the samples are and how they are divided. Immutable.
	// +required
	Dataset Dataset `json:"dataset"`

	// hyperparameters of every trial. Those left out are chosen by the operator's release and recorded, resolved, in each
	// checkpoint's manifest. Immutable.
	// +optional
	Hyperparameters *Hyperparameters `json:"hyperparameters,omitempty"`

	// imbalance says how rare defects are made to count. Immutable.
	// +optional
	Imbalance *Imbalance `json:"imbalance,omitempty"`

	// objective says which checkpoint is the best. Immutable.
	// +optional
	Objective *Objective `json:"objective,omitempty"`

	// parallelism is how many trials may have a pod at the same time. Default: all of them. May change at any time; lowering
	// it stops no pod.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Parallelism *int32 `json:"parallelism,omitempty"`

	// failurePolicy says how often a trial is tried again. Immutable.
	// +optional
	FailurePolicy *FailurePolicy `json:"failurePolicy,omitempty"`

	// checkpoint says where trials save themselves. Immutable.
	// +required
	Checkpoint Checkpoint `json:"checkpoint"`

	// template describes the trials' pods. Immutable.
	// +required
	Template PodTemplate `json:"template"`
}

// Depth is a ResNet depth.
//
// +kubebuilder:validation:Enum=18;34;50;101;152
type Depth int32

// DepthOverride changes settings of one depth.
type DepthOverride struct {
	// depth is the trial's depth.
	// +required
	Depth Depth `json:"depth"`
	// batchSize in samples. The learning rate is not rescaled with it.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=4096
	BatchSize *int32 `json:"batchSize,omitempty"`
	// epochs to train.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Epochs *int32 `json:"epochs,omitempty"`
	// resources replace those of the template.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Dataset says where the samples are and how they are divided.
type Dataset struct {
	// uri of the directory that holds dataset.yaml, as the trials' pods see it: file:///data/erasers.
	// +required
	URI Location `json:"uri"`
	// corrections is the uri of an overlay on the labels (a corrections.csv). Default: what dataset.yaml names.
	// +optional
	Corrections *Location `json:"corrections,omitempty"`
	// split divides the samples into training, validation and test.
	// +optional
	Split *Split `json:"split,omitempty"`
}

// Location is a file:// URI of a path inside the pods.
//
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="self.startsWith('file:///')",message="must be a file:/// location of a volume that the template mounts"
// +kubebuilder:validation:XValidation:rule="!self.contains('/../') && !self.endsWith('/..')",message="must not contain .."
type Location string

// Split divides samples without dividing a package.
//
// +kubebuilder:validation:XValidation:rule="(has(self.test) ? double(self.test) : 0.2) + (has(self.validation) ? double(self.validation) : 0.2) < 0.9",message="test and validation together must leave more than a tenth of the samples for training"
type Split struct {
	// groupBy keeps samples together: package (default), or none where samples are independent.
	// +optional
	// +kubebuilder:validation:Enum=package;none
	GroupBy string `json:"groupBy,omitempty"`
	// test is the share of samples that is scored once, at the end, and never selects. Default "0.2".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) < 1.0",message="must be below 1: it is a share of the samples"
	Test *Decimal `json:"test,omitempty"`
	// validation is the share of samples that selects epoch, threshold and depth. Default "0.2".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) > 0.0 && double(self) < 1.0",message="must be above 0 and below 1: it is a share of the samples"
	Validation *Decimal `json:"validation,omitempty"`
	// seed of the placement. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed *int64 `json:"seed,omitempty"`
}

// Hyperparameters of a trial.
//
// +kubebuilder:validation:XValidation:rule="!has(self.warmupEpochs) || !has(self.epochs) || self.warmupEpochs < self.epochs",message="warmupEpochs must be below epochs"
type Hyperparameters struct {
	// epochs to train.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Epochs *int32 `json:"epochs,omitempty"`
	// batchSize in samples.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=4096
	BatchSize *int32 `json:"batchSize,omitempty"`
	// imageSize is the side of the square, in pixels, that samples are resized to.
	// +optional
	// +kubebuilder:validation:Minimum=32
	// +kubebuilder:validation:Maximum=1024
	ImageSize *int32 `json:"imageSize,omitempty"`
	// learningRate is AdamW's peak rate.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) > 0.0 && double(self) <= 10.0",message="must be above 0 and at most 10"
	LearningRate *Decimal `json:"learningRate,omitempty"`
	// warmupEpochs rise linearly to learningRate; a cosine to 0 follows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	WarmupEpochs *int32 `json:"warmupEpochs,omitempty"`
	// weightDecay is decoupled, and applies to kernels and matrices only.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be at most 1"
	WeightDecay *Decimal `json:"weightDecay,omitempty"`
	// clipNorm bounds the global norm of the gradients; "0" does not clip.
	// +optional
	ClipNorm *Decimal `json:"clipNorm,omitempty"`
	// seed of weights, order and everything else that is drawn.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed *int64 `json:"seed,omitempty"`
}

// Imbalance holds exponents of the class frequencies n_c. What they shift is undone before a probability is reported.
type Imbalance struct {
	// lossWeight: the loss counts class c with weight n_c^-lossWeight; "0" does nothing, "1" balances in full.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	LossWeight *Decimal `json:"lossWeight,omitempty"`
	// samplerWeight: samples of class c are drawn with weight n_c^-samplerWeight; "0" does nothing, "1" balances in full.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	SamplerWeight *Decimal `json:"samplerWeight,omitempty"`
}

// Objective says which checkpoint is the best.
type Objective struct {
	// metric that selects: AUCPR, the average precision on the validation split.
	// +optional
	// +kubebuilder:validation:Enum=AUCPR
	Metric string `json:"metric,omitempty"`
	// tieMargin: among trials within this distance of the highest value the smallest depth wins. Default "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1"
	TieMargin *Decimal `json:"tieMargin,omitempty"`
	// minValue: a checkpoint below it is never the best. Default "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1"
	MinValue *Decimal `json:"minValue,omitempty"`
}

// FailurePolicy says how often a trial is tried again.
type FailurePolicy struct {
	// maxRetries of one trial. An attempt that ended for a reason that would repeat (bad settings, bad data, a missing GPU, a
	// diverged loss) is not retried at all. Default 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRetries *int32 `json:"maxRetries,omitempty"`
}

// Checkpoint says where trials save themselves.
type Checkpoint struct {
	// uri of the directory that receives checkpoints, as the trials' pods see it: file:///checkpoints.
	// +required
	URI Location `json:"uri"`
	// everyEpochs between checkpoints that a trial can go on from. Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	EveryEpochs *int32 `json:"everyEpochs,omitempty"`
	// keepLast of those checkpoints, per attempt. Default 2, so that one damaged file does not lose the trial.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=100
	KeepLast *int32 `json:"keepLast,omitempty"`
}
