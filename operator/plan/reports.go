package plan

import (
	"time"

	"plumbline.dev/plumbline/wire"
)

// Stream is what is known of the report stream when a plan is made.
type Stream struct {
	Connected bool      // the operator reads the stream right now
	Since     time.Time // it has done so; zero: not known
	Problem   string    // otherwise: why not, in words
	ID        string    // the stream's creation time; empty: it was never seen
	Next      int64     // the sequence that is read next
	Current   bool      // everything that was there when reading began has been read: what reports say is complete
}

// Reports is what was folded of one run's reports.
type Reports struct {
	Trials  map[string]TrialReports
	Whole   bool // no report of the run was dropped from the stream before it was read: what is folded replaces what status says
	Drained bool // every report that the stream held after the observed pods ended has been read
}

// TrialReports is what was folded of one trial's reports, over all its writers.
type TrialReports struct {
	Attempt  int       // the highest attempt that has reported
	Heard    time.Time // when the stream got that attempt's latest report; zero: not known
	Finished bool      // a writer has said that all epochs are done
	Epoch    int       // the last one finished
	Epochs   int
	Last     *Measured // of the newest measured epoch
	Best     *Measured // of the best epoch with a committed checkpoint
	Test     *wire.Metrics
	Curve    []Measured // one point per epoch, in order
	Digests  *wire.Digests

	EpochSeconds float64 // the last epoch's duration; 0: not known
	NotFinite    string  // why the newest epoch has no metrics

	Attempts map[int]AttemptReports

	Folded     int64 // folded reports
	Gaps       int64 // reports known to be missing
	Duplicates int64 // reports that came again
}

// Measured is what an epoch was measured at.
type Measured struct {
	Epoch      int
	Metrics    wire.Metrics
	Checkpoint *wire.CheckpointRef
	Digests    wire.Digests
	Seconds    float64            // that the epoch took; 0: not known
	Scores     []wire.SampleScore // behind Metrics; only of a best
}

// AttemptReports is what one attempt told of itself.
type AttemptReports struct {
	From  int // the last epoch of the checkpoint that it went on from
	Epoch int // the last one that it finished itself; From where there is none
}
