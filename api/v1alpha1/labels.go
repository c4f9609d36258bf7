package v1alpha1

// Labels and names that the operator puts on what it makes, and that people select by.
const (
	LabelRun     = "plumbline.dev/run"     // name of the TrainingRun
	LabelRunUID  = "plumbline.dev/run-uid" // its uid: a later run of the same name is another one
	LabelTrial   = "plumbline.dev/trial"   // name of the trial
	LabelAttempt = "plumbline.dev/attempt" // number of the attempt
	LabelModel   = "plumbline.dev/model"   // name of the Model
	LabelVersion = "plumbline.dev/version" // number of the ModelVersion

	// LabelSimulatedGPUs is on nodes of the local cluster whose GPUs are simulated.
	LabelSimulatedGPUs = "plumbline.dev/simulated-gpus"
	// ResourceGPU is what a trial requests to be promised a GPU.
	ResourceGPU = "nvidia.com/gpu"
)
