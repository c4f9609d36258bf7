package wire

// Exit codes of a trial or publishing pod; 64 to 75 as sysexits.h has them.
const (
	ExitOK          = 0  // done, and every report of the writer is in the stream; a trial whose reports cannot be sent in time exits 75 instead
	ExitSettings    = 64 // a setting that cannot be obeyed
	ExitData        = 65 // the data set or a checkpoint says something wrong
	ExitNoInput     = 66 // the data set or a checkpoint is not there
	ExitDevice      = 69 // a GPU was promised and there is none
	ExitInternal    = 70 // our own fault
	ExitStore       = 74 // a store cannot be written or read
	ExitInterrupted = 75 // SIGTERM: a checkpoint was written, go on later
	ExitDiverged    = 76 // loss or gradients stayed NaN or Inf
	ExitStalled     = 77 // no step ended for stallSeconds: the pod's own watchdog
)

// Class says what an ended attempt means for its trial.
type Class string

const (
	ClassSucceeded   Class = "Succeeded"
	ClassSettings    Class = "BadSettings" // would end the same way again
	ClassData        Class = "BadData"     // would end the same way again
	ClassDiverged    Class = "Diverged"    // would end the same way again
	ClassDevice      Class = "NoDevice"    // would end the same way again on such nodes
	ClassInterrupted Class = "Interrupted" // stopped from outside: preemption, eviction, node loss, SIGTERM
	ClassMemory      Class = "OutOfMemory"
	ClassStalled     Class = "Stalled" // a step that never ended: a node's fault more often than ours
	ClassCrash       Class = "Crashed"

	// ClassReports is the class of an attempt whose pod ended well although the stream lacks the report that says so: the next one
	// finds its checkpoints and issues what is missing. No pod's end shows it, so Classify never returns it.
	ClassReports Class = "ReportsLost"
)

// Retry says how often an attempt of a class is tried again.
type Retry int

const (
	RetryNever    Retry = iota // it would end the same way again
	RetryBudgeted              // it may end differently: failurePolicy.maxRetries, with a growing wait before each
	RetryFree                  // not the trial's fault: no budget, capped by failurePolicy.maxInterruptions
)

// Ended is what Kubernetes tells of a pod that is no more.
type Ended struct {
	ExitCode   int32  // of the trainer container; -1 when it never reported one
	Reason     string // the container's or the pod's reason, such as OOMKilled or Evicted
	Disruption bool   // the pod has the condition DisruptionTarget
	Lost       bool   // the pod vanished, or its node did
}

// Classify is the one table from an ended pod to its class.
func Classify(e Ended) Class {
	switch {
	case e.ExitCode == ExitOK && !e.Lost:
		return ClassSucceeded
	case e.ExitCode == ExitSettings:
		return ClassSettings
	case e.ExitCode == ExitData, e.ExitCode == ExitNoInput:
		return ClassData
	case e.ExitCode == ExitDiverged:
		return ClassDiverged
	case e.ExitCode == ExitDevice:
		return ClassDevice
	case e.ExitCode == ExitStalled:
		return ClassStalled
	case e.ExitCode == ExitInterrupted, e.Disruption, e.Lost:
		return ClassInterrupted
	case e.Reason == "OOMKilled":
		return ClassMemory
	default:
		return ClassCrash
	}
}

// Retry says what follows an attempt of this class.
func (c Class) Retry() Retry {
	switch c {
	case ClassInterrupted:
		return RetryFree
	case ClassMemory, ClassStalled, ClassCrash, ClassReports:
		return RetryBudgeted
	}
	return RetryNever
}
