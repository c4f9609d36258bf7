package v1alpha1

// Labels that the operator sets on the objects that it creates, and that people select objects by.
const (
	LabelRun     = "plumbline.dev/run"     // name of the TrainingRun
	LabelRunUID  = "plumbline.dev/run-uid" // uid of the TrainingRun: a later run may have the same name
	LabelTrial   = "plumbline.dev/trial"   // name of the trial
	LabelAttempt = "plumbline.dev/attempt" // number of the attempt, counted from 1
	LabelModel   = "plumbline.dev/model"   // name of the Model
	LabelVersion = "plumbline.dev/version" // number of the ModelVersion

	// LabelSimulatedGPUs is a label of the nodes of the local cluster whose GPUs are simulated.
	LabelSimulatedGPUs = "plumbline.dev/simulated-gpus"
	// ResourceGPU is the name of the resource by which a trial requests GPUs.
	ResourceGPU = "nvidia.com/gpu"
)
