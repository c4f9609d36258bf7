package v1alpha1

// Hyperparameters holds the training settings of a trial. docs/training.md says what each is for, and what the
// presets set.
//
// +kubebuilder:validation:XValidation:rule="!has(self.epochs) || (has(self.headEpochs) ? self.headEpochs : 0) + (has(self.warmupEpochs) ? self.warmupEpochs : 0) < self.epochs",message="headEpochs and warmupEpochs together must be below epochs: lower them, or raise epochs"
// +kubebuilder:validation:XValidation:rule="!has(self.accumulate) || !has(self.batchSize) || (self.batchSize % self.accumulate == 0 && self.batchSize / self.accumulate >= 2)",message="accumulate must divide batchSize into equal parts of at least two samples"
type Hyperparameters struct {
	// preset is the recipe that gives the value of every setting that is left out, imbalance included. default is
	// Plumbline's recipe. paper is the method of the seed study, as far as it was published. Default: default.
	// +optional
	// +kubebuilder:validation:Enum=default;paper
	Preset *string `json:"preset,omitempty"`
	// epochs is the number of epochs that a trial trains, headEpochs included. Range: 1 to 10000. Default: 30.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Epochs *int32 `json:"epochs,omitempty"`
	// headEpochs is the number of first epochs in which only the head and the first convolution are trained: the
	// pretrained weights have neither for this data. Then a new optimizer trains all weights. It needs pretrained, and
	// must be below epochs. Range: 0 to 10000. Default: 3, but at most half of epochs, with pretrained weights and the
	// preset default; otherwise 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	HeadEpochs *int32 `json:"headEpochs,omitempty"`
	// batchSize is the number of samples in a training batch. The learning rate is not rescaled with it. Range: 2 to
	// 4096. Default: 32.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=4096
	BatchSize *int32 `json:"batchSize,omitempty"`
	// accumulate is the number of equal parts in which a batch is computed, one after the other. More parts need less
	// memory for the same training step, except that batch normalisation sees one part at a time. It must divide
	// batchSize into parts of at least two samples. Range: 1 to 1024. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1024
	Accumulate *int32 `json:"accumulate,omitempty"`
	// imageSize is the side, in pixels, of the square that every sample is resized to. Range: 32 to 1024. Default:
	// 224.
	// +optional
	// +kubebuilder:validation:Minimum=32
	// +kubebuilder:validation:Maximum=1024
	ImageSize *int32 `json:"imageSize,omitempty"`
	// optimizer computes the weight updates: adamw, or sgd with momentum. Both give the same numbers as PyTorch's.
	// Default: adamw.
	// +optional
	// +kubebuilder:validation:Enum=adamw;sgd
	Optimizer *string `json:"optimizer,omitempty"`
	// learningRate is the highest learning rate of the head. The other layers have the rates that backboneFactor and
	// layerDecay give them. Range: "1e-30" to "10". Default: "0.001" with the preset default, "0.0001" with the
	// preset paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) >= 1e-30 && double(self) <= 10.0",message="must be above 0 (at least 1e-30) and at most 10"
	LearningRate *Decimal `json:"learningRate,omitempty"`
	// backboneFactor is the learning rate of the last stage of the network as a share of learningRate. "1" trains the
	// last stage at the rate of the head. Range: "0" to "1". Default: "0.1" with pretrained weights and the preset
	// default, otherwise "1".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is a share of learningRate"
	BackboneFactor *Decimal `json:"backboneFactor,omitempty"`
	// layerDecay is the learning rate of each stage as a share of the rate of the stage after it, which is nearer to
	// the head. Range: "0" to "1". Default: "0.8" with pretrained weights and the preset default, otherwise "1".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is a share of the rate of the stage that is one nearer to the head"
	LayerDecay *Decimal `json:"layerDecay,omitempty"`
	// schedule says how the learning rate changes after the warm-up. cosine lowers it to 0 along a cosine; constant
	// keeps it. Default: cosine with the preset default, constant with the preset paper.
	// +optional
	// +kubebuilder:validation:Enum=cosine;constant
	Schedule *string `json:"schedule,omitempty"`
	// warmupEpochs is the number of epochs, after headEpochs, in which the learning rate rises linearly to
	// learningRate. headEpochs and warmupEpochs together must be below epochs. Range: 0 to 10000. Default: 2 with the
	// preset default, or fewer where epochs leaves no room for them; 0 with the preset paper.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	WarmupEpochs *int32 `json:"warmupEpochs,omitempty"`
	// momentum is the momentum of the optimizer sgd; adamw ignores it. Range: "0" to "0.9999". Default: "0.9".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9999",message="must be at most 0.9999"
	Momentum *Decimal `json:"momentum,omitempty"`
	// beta1 is the decay of adamw's running average of the gradients; sgd ignores it. Range: "0" to "0.9999".
	// Default: "0.9".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9999",message="must be at most 0.9999"
	Beta1 *Decimal `json:"beta1,omitempty"`
	// beta2 is the decay of adamw's running average of the squared gradients; sgd ignores it. Range: "0" to
	// "0.999999". Default: "0.999".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.999999",message="must be at most 0.999999"
	Beta2 *Decimal `json:"beta2,omitempty"`
	// epsilon is the number that adamw adds to its divisor, outside the square root, so that it never divides by 0;
	// sgd ignores it. Range: "1e-30" to "1000000". Default: "1e-8".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) >= 1e-30 && double(self) <= 1000000.0",message="must be between 1e-30 and 1000000: training computes in float32"
	Epsilon *Decimal `json:"epsilon,omitempty"`
	// weightDecay pulls the weights of convolutions and of the head's matrix towards 0. adamw applies it apart from
	// the gradient; sgd adds it to the gradient. Biases and batch normalisation have none. Range: "0" to "1".
	// Default: "0.02" with the preset default, "0" with the preset paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be at most 1"
	WeightDecay *Decimal `json:"weightDecay,omitempty"`
	// clipNorm is the highest global norm of the gradients of a step; gradients above it are scaled down. "0" turns
	// clipping off. Range: "0", or "1e-30" to "1000000". Default: "1" with the preset default, "0" with the preset
	// paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) == 0.0 || double(self) >= 1e-30 && double(self) <= 1000000.0",message="must be 0, which turns clipping off, or between 1e-30 and 1000000: training computes in float32"
	ClipNorm *Decimal `json:"clipNorm,omitempty"`
	// labelSmoothing is the share of each label that is spread evenly over both classes. Above "0" it bends the
	// reported probabilities, because the correction for class frequencies does not take it into account. Range: "0"
	// to "0.5". Default: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.5",message="must be at most 0.5"
	LabelSmoothing *Decimal `json:"labelSmoothing,omitempty"`
	// ema is the decay, per step, of a moving average of the weights. With an average, the averaged weights are
	// evaluated, selected and promoted in place of the weights themselves. "0" keeps no average. Range: "0" to
	// "0.99999". Default: "0.99" with the preset default, "0" with the preset paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.99999",message="must be at most 0.99999"
	EMA *Decimal `json:"ema,omitempty"`
	// batchNorm says how batch normalisation works after headEpochs. train normalises by the statistics of each
	// batch. freeze normalises by statistics of the whole training split, which then stay. Default: freeze with
	// pretrained weights and the preset default, otherwise train.
	// +optional
	// +kubebuilder:validation:Enum=train;freeze
	BatchNorm *string `json:"batchNorm,omitempty"`
	// augment says how training images are changed at random. If it is given, it replaces the preset's augmentation
	// as a whole, so that {} trains on unchanged images. Default: shift "0.04", rotate "5", gain "0.1", offset "0.1"
	// and channelDropout "0.05" with the preset default; no augmentation with the preset paper.
	// +optional
	Augment *Augment `json:"augment,omitempty"`
	// precision is the number format of convolutions and activations during training: float32, bfloat16 or float16.
	// Weights and evaluation stay float32. float16 needs a GPU. Default: float32.
	// +optional
	// +kubebuilder:validation:Enum=float32;bfloat16;float16
	Precision *string `json:"precision,omitempty"`
	// seed is the start of the random numbers of a trial: its first weights, the order of samples, augmentation. The
	// same seed repeats the same training, given the same TensorFlow, instruction set and number of threads. Minimum:
	// 0. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Seed *int64 `json:"seed,omitempty"`
}

// Augment says how much training images are changed at random, in a different way each time that a sample is drawn. A
// change that is left out is off. There are no flips, because they would mirror the logo.
type Augment struct {
	// shift is the furthest that an image is moved, horizontally and vertically, as a share of its side. Range: "0"
	// to "0.5". Default, if augment is given: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.5",message="must be at most 0.5: it is a share of the side"
	Shift *Decimal `json:"shift,omitempty"`
	// rotate is the furthest that an image is turned, in degrees, in either direction. Range: "0" to "180". Default,
	// if augment is given: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 180.0",message="must be at most 180 degrees"
	Rotate *Decimal `json:"rotate,omitempty"`
	// gain is the largest change of the contrast of each channel, as a share: "0.1" multiplies it by 0.9 to 1.1.
	// Range: "0" to "0.9". Default, if augment is given: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9",message="must be at most 0.9"
	Gain *Decimal `json:"gain,omitempty"`
	// offset is the largest change of the brightness of each channel, up or down, in standard deviations of the
	// channel. Range: "0" to "10". Default, if augment is given: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 10.0",message="must be at most 10 standard deviations"
	Offset *Decimal `json:"offset,omitempty"`
	// channelDropout is the probability with which each channel of an image is replaced by the mean of the channel.
	// At least one channel always stays. Range: "0" to "0.9". Default, if augment is given: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 0.9",message="must be at most 0.9: it is a probability"
	ChannelDropout *Decimal `json:"channelDropout,omitempty"`
	// noise is the standard deviation of the random noise that is added to each pixel, in standard deviations of the
	// channel. Range: "0" to "10". Default: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 10.0",message="must be at most 10 standard deviations"
	Noise *Decimal `json:"noise,omitempty"`
}

// Imbalance holds exponents of the class frequencies, where n_c is the number of training samples of class c. The
// shift that they put on the scores is taken off again before a probability is reported.
//
// +kubebuilder:validation:XValidation:rule="!has(self.effectiveNumber) || double(self.effectiveNumber) == 0.0 || !has(self.lossWeight) || double(self.lossWeight) == 0.0",message="effectiveNumber and lossWeight both weigh the loss: set only one of them above 0"
type Imbalance struct {
	// lossWeight is the exponent of the class weights in the loss: a sample of class c, which has n_c training
	// samples, counts n_c^-lossWeight. "0" weighs all samples alike; "1" makes both classes count the same. Range:
	// "0" to "1". Default: "0" with the preset default, "1" with the preset paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	LossWeight *Decimal `json:"lossWeight,omitempty"`
	// samplerWeight is the exponent of the class weights in the drawing of samples: a sample of class c, which has
	// n_c training samples, is drawn with weight n_c^-samplerWeight. "0" draws all samples alike; "1" draws both
	// classes equally often. Range: "0" to "1". Default: "0.5" with the preset default, "1" with the preset paper.
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) <= 1.0",message="must be between 0 and 1: it is an exponent"
	SamplerWeight *Decimal `json:"samplerWeight,omitempty"`
	// effectiveNumber is the beta of the class-balanced loss: a sample of class c, which has n_c training samples,
	// counts (1-beta)/(1-beta^n_c) in the loss. It takes the place of lossWeight, which must be "0": with the preset
	// paper, set lossWeight to "0" as well. "0" turns it off. Range: "0" to below "1". Default: "0".
	// +optional
	// +kubebuilder:validation:XValidation:rule="double(self) < 1.0",message="must be below 1"
	EffectiveNumber *Decimal `json:"effectiveNumber,omitempty"`
}
