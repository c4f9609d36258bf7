package ledger

import (
	"time"

	"plumbline.dev/plumbline/wire"
)

// Stream is the state of the report stream when a plan is made.
type Stream struct {
	Connected bool      // whether the operator is reading the stream
	Since     time.Time // since when Connected has been true; zero: not known
	Problem   string    // if Connected is false: why
	ID        string    // the stream's creation time; empty: the stream has never been found
	Next      int64     // the sequence number of the report that is read next
	// Current says that the operator has read every report that the stream held when it began to read. Before, Reports
	// may lack reports that status already has.
	Current bool
}

// Reports is the fold of one run's reports.
type Reports struct {
	Trials map[string]TrialReports // by the trial's name
	// Whole says that the stream dropped no report of the run before the report was read. Then the fold replaces the
	// values in status.
	Whole bool
	// Drained says that the operator has read every report that the stream held after the observed pods had ended.
	Drained bool
}

// TrialReports is the fold of one trial's reports, from all its writers.
type TrialReports struct {
	Attempt  int           // the highest attempt that has reported
	Heard    time.Time     // when the stream received the latest report of that attempt; zero: not known
	Finished bool          // whether a writer has reported that the training is finished
	Epoch    int           // the last finished epoch
	Epochs   int           // how many epochs the trial trains
	Last     *Measured     // the newest epoch that was measured
	Best     *Measured     // the best epoch with a committed checkpoint
	Test     *wire.Metrics // the metrics of the best on the test split
	Curve    []Measured    // one per epoch, in order
	Digests  *wire.Digests

	EpochSeconds float64 // the duration of the last epoch; 0: not known
	NotFinite    string  // why the newest epoch has no metrics; empty: it has some

	Attempts map[int]AttemptReports // by the attempt's number

	Folded     int64 // the number of folded reports, without duplicates
	Gaps       int64 // the number of reports that are known to be missing
	Duplicates int64 // the number of reports that arrived more than once
}

// Measured holds the measurements of one epoch.
type Measured struct {
	Epoch      int
	Metrics    wire.Metrics
	Checkpoint *wire.CheckpointRef
	Digests    wire.Digests
	Seconds    float64            // how long the epoch took; 0: not known
	Scores     []wire.SampleScore // the scores of the validation samples; only a best has them
}

// EpochValue returns the epoch and its AUC-PR, which wire.BetterEpoch compares.
func (m Measured) EpochValue() wire.EpochValue {
	return wire.EpochValue{Epoch: m.Epoch, AUCPR: m.Metrics.AUCPR}
}

// AttemptReports is the fold of one attempt's reports.
type AttemptReports struct {
	From  int // the last finished epoch of the checkpoint from which the attempt resumed; 0: none was finished
	Epoch int // the last epoch that the attempt finished; From if it has finished none
}
