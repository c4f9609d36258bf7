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

	// spec is what to train. Only suspend, stopTrials, parallelism and ttlSecondsAfterFinished may change after creation.
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

// TrainingRunSpec is what to train. An optional field can be neither added, changed nor removed after creation, but for suspend,
// stopTrials, parallelism and ttlSecondsAfterFinished.
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
// +kubebuilder:validation:XValidation:rule="!has(self.stopTrials) || self.stopTrials.all(t, int(t.substring(1)) in self.depths)",message="stopTrials may name only trials of depths that are listed in depths, such as d50"
// +kubebuilder:validation:XValidation:rule="!has(self.failurePolicy) || !has(self.failurePolicy.minSucceededTrials) || self.failurePolicy.minSucceededTrials <= self.depths.size()",message="failurePolicy.minSucceededTrials is more than there are depths"
// +kubebuilder:validation:XValidation:rule="!has(self.overrides) || self.overrides.all(o, o.depth in self.depths)",message="overrides may name only depths that are listed in depths"
// +kubebuilder:validation:XValidation:rule="has(self.pretrained) || !has(self.hyperparameters) || !has(self.hyperparameters.headEpochs) || self.hyperparameters.headEpochs == 0",message="hyperparameters.headEpochs needs pretrained: a head on a random backbone learns nothing"
// +kubebuilder:validation:XValidation:rule="!has(self.pretrained) || self.depths.size() < 2 || self.pretrained.uri.contains('{depth}')",message="pretrained.uri must contain {depth}: every depth has weights of its own"
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

	// pretrained says which weights trials start from. Default: random ones. Immutable.
	// +optional
	Pretrained *Pretrained `json:"pretrained,omitempty"`

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

	// suspend stops every pod, which saves itself first, and stops the run's clock; false goes on from the checkpoints. May change
	// at any time.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// stopTrials names trials that are to end now, such as d152. Each saves itself first, and its best checkpoint competes. A
	// trial that was stopped stays so, also when its name is taken out again. May change at any time.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	StopTrials []TrialName `json:"stopTrials,omitempty"`

	// activeDeadlineSeconds after which the run is ended, time in which it was suspended not counted. Its best so far is kept.
	// Default: none. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// stallTimeoutSeconds without a finished step after which a pod ends itself, to be tried again; 0: it waits for ever.
	// Default 1800. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	StallTimeoutSeconds *int32 `json:"stallTimeoutSeconds,omitempty"`

	// nodeLossSeconds after which a pod that should have ended, grace period included, is given up with its node, and its trial
	// tried again elsewhere. Default 120. Immutable.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	NodeLossSeconds *int32 `json:"nodeLossSeconds,omitempty"`

	// ttlSecondsAfterFinished after which an ended run is deleted; a promotion of it that has not ended is waited for. Its
	// checkpoints stay: plumb prune removes them. Default: it stays. May change at any time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// earlyStopping ends trials that learn nothing more. Immutable.
	// +optional
	EarlyStopping *EarlyStopping `json:"earlyStopping,omitempty"`

	// failurePolicy says how often a trial is tried again, and how many may fail. Immutable.
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

// TrialName is the name of a trial, such as d50.
//
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^d[1-9][0-9]*$`
type TrialName string

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
	// accumulate is the number of parts that a batch is worked through in.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Accumulate *int32 `json:"accumulate,omitempty"`
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

// Location is a file:// URI of a path inside the pods. Whether a volume is mounted there is not checked here: data may be in the image,
// and a cluster's webhooks may mount volumes that the template does not name. A pod that finds nothing there says so in words.
//
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="self.startsWith('file:///')",message="must be a file:/// location, which is a path inside the pods: on a volume that they mount, or in their image"
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

// Pretrained says which weights trials start from.
//
// +kubebuilder:validation:XValidation:rule="(has(self.inputAdaptation) && self.inputAdaptation == 'mapped') == has(self.colours)",message="colours belong to inputAdaptation mapped, which needs them"
type Pretrained struct {
	// uri of a .safetensors file in torchvision's or timm's names, as the trials' pods see it. {depth} stands for the trial's
	// depth: file:///pretrained/resnet{depth}.safetensors.
	// +required
	URI Location `json:"uri"`
	// inputAdaptation says how a first convolution for R, G, B takes the data's channels: tile (default) repeats its kernels, as
	// timm does; mean gives each channel the mean of the three; mapped lets each inherit the one that colours names.
	// +optional
	// +kubebuilder:validation:Enum=tile;mean;mapped
	InputAdaptation string `json:"inputAdaptation,omitempty"`
	// colours that the channels inherit: one for every channel of the data.
	// +optional
	// +listType=map
	// +listMapKey=channel
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Colours []ChannelColour `json:"colours,omitempty"`
}

// ChannelColour says whose kernels a channel inherits.
type ChannelColour struct {
	// channel of the data, as dataset.yaml names it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Channel string `json:"channel"`
	// colour whose kernels it inherits: R, G, B, or the mean of the three.
	// +required
	// +kubebuilder:validation:Enum=R;G;B;mean
	Colour string `json:"colour"`
}

// EarlyStopping ends a trial before its last epoch.
//
// +kubebuilder:validation:XValidation:rule="has(self.patience) || has(self.cohort)",message="earlyStopping needs patience or cohort"
type EarlyStopping struct {
	// patience is how many epochs a trial goes on without a better AUC-PR of its own. A resumed trial remembers them.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Patience *int32 `json:"patience,omitempty"`
	// cohort compares a trial with the others of the run. Default: off.
	// +optional
	Cohort *CohortStopping `json:"cohort,omitempty"`
}

// CohortStopping stops a trial whose best AUC-PR so far lies more than margin below the median of what the other trials, running or
// finished, had reached by the same epoch. At least two others must have reached it.
type CohortStopping struct {
	// graceEpochs in which no trial is stopped.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	GraceEpochs int32 `json:"graceEpochs"`
	// margin of AUC-PR below the median. Default "0.1".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) > 0.0 && double(self) <= 1.0",message="must be above 0 and at most 1"
	Margin *Decimal `json:"margin,omitempty"`
	// dryRun stops nothing and says in status which trials would have been stopped, and what AUC-PR that would have cost.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`
}

// Hyperparameters of a trial. docs/training.md says what each is for, and what the presets set.
//
// +kubebuilder:validation:XValidation:rule="!has(self.epochs) || (has(self.headEpochs) ? self.headEpochs : 0) + (has(self.warmupEpochs) ? self.warmupEpochs : 0) < self.epochs",message="headEpochs and warmupEpochs together must be below epochs"
// +kubebuilder:validation:XValidation:rule="!has(self.accumulate) || !has(self.batchSize) || (self.batchSize % self.accumulate == 0 && self.batchSize / self.accumulate >= 2)",message="accumulate must divide batchSize into parts of at least two samples"
type Hyperparameters struct {
	// preset is where what is left out comes from: default, Plumbline's recipe, or paper, the seed study's method.
	// +optional
	// +kubebuilder:validation:Enum=default;paper
	Preset *string `json:"preset,omitempty"`
	// epochs to train.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Epochs *int32 `json:"epochs,omitempty"`
	// headEpochs are the first of epochs, in which only the head and the first convolution are trained, which pretrained weights
	// lack. Then a fresh optimizer trains everything.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	HeadEpochs *int32 `json:"headEpochs,omitempty"`
	// batchSize in samples.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=4096
	BatchSize *int32 `json:"batchSize,omitempty"`
	// accumulate is the number of parts that a batch is worked through in: less memory for the same step, batch normalisation
	// apart, which sees one part at a time.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Accumulate *int32 `json:"accumulate,omitempty"`
	// imageSize is the side of the square, in pixels, that samples are resized to.
	// +optional
	// +kubebuilder:validation:Minimum=32
	// +kubebuilder:validation:Maximum=1024
	ImageSize *int32 `json:"imageSize,omitempty"`
	// optimizer: adamw, or sgd with momentum, as PyTorch computes them.
	// +optional
	// +kubebuilder:validation:Enum=adamw;sgd
	Optimizer *string `json:"optimizer,omitempty"`
	// learningRate is the head's peak rate, and everything's where backboneFactor is 1.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) >= 1e-30 && double(self) <= 10.0",message="must be above 0 (at least 1e-30) and at most 10"
	LearningRate *Decimal `json:"learningRate,omitempty"`
	// backboneFactor is the last stage's rate as a share of learningRate.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is a share of learningRate"
	BackboneFactor *Decimal `json:"backboneFactor,omitempty"`
	// layerDecay is each stage's rate as a share of the rate of the stage above it.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is a share of the next stage's rate"
	LayerDecay *Decimal `json:"layerDecay,omitempty"`
	// schedule of the rate after the warm-up: cosine, down to 0, or constant.
	// +optional
	// +kubebuilder:validation:Enum=cosine;constant
	Schedule *string `json:"schedule,omitempty"`
	// warmupEpochs, after the head's, rise linearly to learningRate.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	WarmupEpochs *int32 `json:"warmupEpochs,omitempty"`
	// momentum of sgd.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9999",message="must be at most 0.9999"
	Momentum *Decimal `json:"momentum,omitempty"`
	// beta1 of adamw: the decay of its average of gradients.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9999",message="must be at most 0.9999"
	Beta1 *Decimal `json:"beta1,omitempty"`
	// beta2 of adamw: the decay of its average of their squares.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.999999",message="must be at most 0.999999"
	Beta2 *Decimal `json:"beta2,omitempty"`
	// epsilon of adamw, outside the square root.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) >= 1e-30 && double(self) <= 1000000.0",message="must be between 1e-30 and 1000000: training computes in float32"
	Epsilon *Decimal `json:"epsilon,omitempty"`
	// weightDecay applies to kernels and matrices only: decoupled in adamw, added to the gradient in sgd.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be at most 1"
	WeightDecay *Decimal `json:"weightDecay,omitempty"`
	// clipNorm bounds the global norm of the gradients; "0" does not clip.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) == 0.0 || double(self) >= 1e-30 && double(self) <= 1000000.0",message="must be 0, which does not clip, or between 1e-30 and 1000000: training computes in float32"
	ClipNorm *Decimal `json:"clipNorm,omitempty"`
	// labelSmoothing spreads this share of a label over both classes. The probabilities are then no longer those that the class
	// frequencies calibrate.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.5",message="must be at most 0.5"
	LabelSmoothing *Decimal `json:"labelSmoothing,omitempty"`
	// ema is the decay, per step, of averages over the weights, which then are what is evaluated, selected and promoted; "0"
	// keeps none.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.99999",message="must be at most 0.99999"
	EMA *Decimal `json:"ema,omitempty"`
	// batchNorm, once everything is trained: train normalises by the batch, freeze by statistics of the whole training fold.
	// +optional
	// +kubebuilder:validation:Enum=train;freeze
	BatchNorm *string `json:"batchNorm,omitempty"`
	// augment changes training images. Given, it replaces the preset's as a whole: {} trains on images as they are.
	// +optional
	Augment *Augment `json:"augment,omitempty"`
	// precision of convolutions and activations. float16 needs a GPU.
	// +optional
	// +kubebuilder:validation:Enum=float32;bfloat16;float16
	Precision *string `json:"precision,omitempty"`
	// seed of weights, order and everything else that is drawn.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed *int64 `json:"seed,omitempty"`
}

// Augment says how far training images are changed by chance, each time they are seen. What is left out is off. There are no flips:
// they would mirror the logo.
type Augment struct {
	// shift, at most, in either direction, as a share of the side.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.5",message="must be at most 0.5: it is a share of the side"
	Shift *Decimal `json:"shift,omitempty"`
	// rotate, at most, in degrees.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 180.0",message="must be at most 180 degrees"
	Rotate *Decimal `json:"rotate,omitempty"`
	// gain changes each channel's contrast by at most this share.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9",message="must be at most 0.9"
	Gain *Decimal `json:"gain,omitempty"`
	// offset changes each channel's brightness by at most this many of its standard deviations.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 10.0",message="must be at most 10 standard deviations"
	Offset *Decimal `json:"offset,omitempty"`
	// channelDropout is the chance of each channel to be blanked; one always stays.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9",message="must be at most 0.9: it is a chance"
	ChannelDropout *Decimal `json:"channelDropout,omitempty"`
	// noise is the deviation of what is added to each pixel, in the channel's standard deviations.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 10.0",message="must be at most 10 standard deviations"
	Noise *Decimal `json:"noise,omitempty"`
}

// Imbalance holds exponents of the class frequencies n_c. What they shift is undone before a probability is reported.
//
// +kubebuilder:validation:XValidation:rule="!has(self.effectiveNumber) || double(self.effectiveNumber) == 0.0 || !has(self.lossWeight) || double(self.lossWeight) == 0.0",message="effectiveNumber and lossWeight both weigh the loss: set one of them"
type Imbalance struct {
	// lossWeight: the loss counts class c with weight n_c^-lossWeight; "0" does nothing, "1" balances in full.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	LossWeight *Decimal `json:"lossWeight,omitempty"`
	// samplerWeight: samples of class c are drawn with weight n_c^-samplerWeight; "0" does nothing, "1" balances in full.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	SamplerWeight *Decimal `json:"samplerWeight,omitempty"`
	// effectiveNumber is the beta of class-balanced loss: class c then counts (1-beta)/(1-beta^n_c).
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) < 1.0",message="must be below 1"
	EffectiveNumber *Decimal `json:"effectiveNumber,omitempty"`
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

// FailurePolicy says how often a trial is tried again, and how many may fail.
//
// An attempt that ended for a reason that would repeat (bad settings, bad data, a missing GPU, a diverged loss) is not tried again.
// One that ran out of memory, crashed or stalled is, maxRetries times, after a growing wait. One that was stopped from outside
// (preemption, eviction, node loss) spends no retry.
type FailurePolicy struct {
	// maxRetries of one trial. Default 3.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRetries *int32 `json:"maxRetries,omitempty"`
	// maxInterruptions of one trial, from outside, so that a cluster that cannot hold a pod does not try for ever. Default 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=800
	MaxInterruptions *int32 `json:"maxInterruptions,omitempty"`
	// maxFailedTrials: when more have failed, the others are stopped and the run fails. Default: all may fail but what
	// minSucceededTrials asks for.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	MaxFailedTrials *int32 `json:"maxFailedTrials,omitempty"`
	// minSucceededTrials that the run needs to succeed. One that was stopped, by hand or early, counts if it has a checkpoint.
	// Default 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	MinSucceededTrials *int32 `json:"minSucceededTrials,omitempty"`
}

// Checkpoint says where trials save themselves.
type Checkpoint struct {
	// uri of the directory that receives checkpoints, as the trials' pods see it: file:///checkpoints. It must be on a volume that the
	// pods mount: their own file system is read-only.
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
	// resumeFrom is the uid of an older run with checkpoints below the same uri. Each trial goes on from what the trial of the
	// same name left there, whose settings must be the same but for more epochs, instead of from nothing.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`
	// +kubebuilder:validation:MaxLength=36
	ResumeFrom *string `json:"resumeFrom,omitempty"`
}
