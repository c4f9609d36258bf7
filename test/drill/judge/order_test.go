package judge

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// order returns the history of a small run that is in order: two trials of two epochs. The first trial was interrupted
// once, saved itself and resumed.
func order() History {
	h := History{Run: "r", UID: "u"}
	h.Reports = orderedReports()
	h.Checkpoints = orderedCheckpoints(h.Reports)
	h.Statuses = orderedStatuses(h.Reports)
	h.Events = []Event{
		{Reason: "Admitted", Note: "depths to train: [18 34]", Times: 1},
		{Reason: "AttemptStarted", Job: "r-d18-a1", Times: 1},
		{Reason: "AttemptStarted", Job: "r-d34-a1", Times: 1},
		{Reason: "NewBest", Note: "d18 leads with AUC-PR 0.5000 at epoch 1", Times: 1},
		{Reason: "AttemptStarted", Job: "r-d18-a2", Times: 1},
		{Reason: "TrialSucceeded", Job: "r-d18-a2", Times: 1},
		{Reason: "TrialSucceeded", Job: "r-d34-a1", Times: 1},
		{Reason: "AllTrialsSucceeded", Note: "2 of 2 trials succeeded", Times: 1},
	}
	second := func(s int64) time.Time { return time.Unix(s, 0) }
	savedItself := int32(75)
	h.Pods = []Pod{
		{UID: "p1", Trial: "d18", Attempt: "1", ExitCode: &savedItself, Started: second(1), Ended: second(5)},
		{UID: "p2", Trial: "d34", Started: second(1), Ended: second(9)},
		{UID: "p3", Trial: "d18", Started: second(6), Ended: second(9)},
	}
	return h
}

// orderedReports returns the reports of the run in the order of the stream.
func orderedReports() (reports []Report) {
	type writer struct {
		id, trial      string
		depth, attempt int
	}
	first18 := writer{"d18-a1-p1", "d18", 18, 1}
	second18 := writer{"d18-a2-p3", "d18", 18, 2}
	only34 := writer{"d34-a1-p2", "d34", 34, 1}
	add := func(w writer, sequence int64, kind string, epoch int, aucPR float64) *Report {
		r := Report{
			Stream: uint64(len(reports) + 1), Kind: kind, RunUID: "u",
			Trial: w.trial, Depth: w.depth, Attempt: w.attempt, Writer: w.id, Sequence: sequence,
			Epoch: epoch, Epochs: 2,
		}
		if aucPR > 0 {
			r.Metrics = &Metrics{aucPR}
			r.Checkpoint = &Ref{
				URI:    fmt.Sprintf("file:///c/u/%s/%s/best-e000%d", w.trial, w.id, epoch),
				Digest: fmt.Sprintf("sha256:%s%d", w.trial, epoch),
			}
		}
		reports = append(reports, r)
		return &reports[len(reports)-1]
	}
	add(first18, 1, "started", 0, 0)
	add(first18, 2, "epoch", 1, 0.5)
	add(only34, 1, "started", 0, 0)
	add(only34, 2, "epoch", 1, 0.4)
	add(second18, 1, "resumed", 1, 0)
	add(second18, 2, "epoch", 1, 0.5).ComputedBy = &Origin{first18.id, 2}
	add(second18, 3, "epoch", 2, 0.7)
	add(second18, 4, "finished", 2, 0)
	add(only34, 3, "epoch", 2, 0.6)
	add(only34, 4, "finished", 2, 0)
	return reports
}

func orderedCheckpoints(reports []Report) (checkpoints []Checkpoint) {
	const d18, d34 = "d18-a2-p3", "d34-a1-p2"
	checkpoints = []Checkpoint{
		{Dir: "u/d18/" + d18 + "/best-e0002", Writer: d18, Kind: "best", Trial: "d18", Digest: "sha256:d182"},
		{Dir: "u/d34/" + d34 + "/best-e0002", Writer: d34, Kind: "best", Trial: "d34", Digest: "sha256:d342"},
		{Dir: "u/d18/" + d18 + "/resume-e0002-s00000002", Writer: d18, Kind: "resume", Trial: "d18"},
		{Dir: "u/d34/" + d34 + "/resume-e0002-s00000002", Writer: d34, Kind: "resume", Trial: "d34"},
	}
	for i := range checkpoints {
		c := &checkpoints[i]
		c.Epoch = 2
		c.Files = map[string]string{"weights.safetensors": "w-" + c.Trial, "slots.safetensors": "s-" + c.Trial}
	}
	checkpoints[2].History = []Report{reports[0], reports[1], reports[6]}
	return checkpoints
}

// orderedStatuses returns the status after both trials' first epochs, and the last one.
func orderedStatuses(reports []Report) []Status {
	zero, one := 0, 1
	d18 := Trial{
		Name: "d18", Phase: "Succeeded", Attempt: 2, Epoch: 2, Epochs: 2, ReportsSeen: 5, Duplicates: 1,
		Best:     &Best{Trial: "d18", AUCPR: "0.7000", Epoch: 2, Checkpoint: *reports[6].Checkpoint},
		Attempts: []Attempt{{Number: 1, FromEpoch: &zero, Epoch: 1}, {Number: 2, FromEpoch: &one, Epoch: 2}},
	}
	d34 := Trial{
		Name: "d34", Phase: "Succeeded", Attempt: 1, Epoch: 2, Epochs: 2, ReportsSeen: 4,
		Best: &Best{Trial: "d34", AUCPR: "0.6000", Epoch: 2, Checkpoint: *reports[8].Checkpoint},
	}
	return []Status{
		{
			Phase: "Running",
			Trials: []Trial{
				{Name: "d18", Phase: "Running", Attempt: 1, Epoch: 1, ReportsSeen: 2},
				{Name: "d34", Phase: "Running", Attempt: 1, Epoch: 1, ReportsSeen: 2},
			},
		},
		{
			Phase:          "Succeeded",
			CompletionTime: "now",
			Trials:         []Trial{d18, d34},
			Best:           d18.Best,
			Conditions: []Condition{
				{Type: "Succeeded", Status: "True", Reason: "AllTrialsSucceeded", Message: "2 of 2 trials succeeded"},
			},
		},
	}
}

func lastStatus(h *History) *Status { return &h.Statuses[len(h.Statuses)-1] }

// copied returns a copy that shares no memory with h.
func copied(t *testing.T, h History) History {
	t.Helper()
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var out History
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
