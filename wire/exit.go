package wire

// Exit codes of a trial's pod or a publishing pod. The meanings of 64 to 75 are those of sysexits.h.
const (
	// ExitOK says that the work is done, and that every report of the writer is in the stream. A trial that cannot
	// send its reports in time exits with ExitInterrupted instead.
	ExitOK          = 0
	ExitSettings    = 64 // a setting cannot be obeyed
	ExitData        = 65 // the data set or a checkpoint has wrong content
	ExitNoInput     = 66 // the data set or a checkpoint does not exist
	ExitDevice      = 69 // a GPU was requested, but the pod has none
	ExitInternal    = 70 // an error in Plumbline
	ExitStore       = 74 // a store cannot be written or read
	ExitInterrupted = 75 // the pod received SIGTERM and wrote a checkpoint: the next attempt resumes from it
	ExitDiverged    = 76 // loss or gradients stayed NaN or Inf
	ExitStalled     = 77 // no step ended for Trial.StallSeconds: the pod's own watchdog ended it
)

// Class says why an attempt ended. It decides whether the trial is retried.
type Class string

// Classes of an ended attempt.
const (
	ClassSucceeded   Class = "Succeeded"
	ClassSettings    Class = "BadSettings" // another attempt would end the same way
	ClassData        Class = "BadData"     // another attempt would end the same way
	ClassDiverged    Class = "Diverged"    // another attempt would end the same way
	ClassDevice      Class = "NoDevice"    // another attempt would end the same way on nodes of this kind
	ClassInterrupted Class = "Interrupted" // stopped from outside: preemption, eviction, node loss, SIGTERM
	ClassMemory      Class = "OutOfMemory"
	ClassStalled     Class = "Stalled" // a step never ended: more often because of the node than because of the trainer
	ClassCrash       Class = "Crashed"

	// ClassReports is the class of an attempt whose pod succeeded but whose last report is missing from the stream.
	// The next attempt finds the checkpoints and sends the missing reports. Classify never returns ClassReports,
	// because it sees only how the pod ended.
	ClassReports Class = "ReportsLost"
)

// Retry is how often a trial is retried after an attempt of one class.
type Retry int

// The values of Retry.
const (
	RetryNever    Retry = iota // another attempt would end the same way
	RetryBudgeted              // up to failurePolicy.maxRetries times, with a growing wait before each retry
	RetryFree                  // something outside the trial ended it: limited by failurePolicy.maxInterruptions alone
)

// Ended is what Kubernetes reports about a pod that has ended.
type Ended struct {
	ExitCode   int32  // of the trainer container; -1 if it never reported one
	Reason     string // the container's or the pod's reason, such as OOMKilled or Evicted
	Disruption bool   // the pod has the condition DisruptionTarget
	Lost       bool   // the pod or its node disappeared
}

// Classify returns the class of an attempt whose pod has ended. It is the only place that decides this.
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

// Retry returns how often a trial is retried after an attempt of this class.
func (c Class) Retry() Retry {
	switch c {
	case ClassInterrupted:
		return RetryFree
	case ClassMemory, ClassStalled, ClassCrash, ClassReports:
		return RetryBudgeted
	}
	return RetryNever
}
