// Package reporttest makes the reports that a trial's pods send, for the tests of the ledger and of its readers.
package reporttest

import (
	"fmt"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// UID is the uid of the run whose reports this package makes.
const UID = "11111111-aaaa"

// Writer makes the reports that one pod of d18 sends.
type Writer struct {
	Attempt  int
	Pod      string
	Sequence int64 // of the last report
}

// Report returns the pod's next report.
func (w *Writer) Report(kind wire.ReportKind, epoch int) wire.Report {
	w.Sequence++
	t := wire.Trial{Name: "d18", Attempt: w.Attempt}
	return wire.Report{
		Version: wire.Version, Kind: kind, RunUID: UID, Trial: "d18", Depth: 18,
		Attempt: w.Attempt, Writer: t.Writer(w.Pod), Sequence: w.Sequence,
		Epoch: epoch, Epochs: 8, Digests: wire.Digests{Data: "d", Labels: "l", Split: "s"},
	}
}

// Epoch returns the report of a measured epoch, which names a committed checkpoint if kept.
func (w *Writer) Epoch(epoch int, aucPR float64, kept bool) wire.Report {
	r := w.Report(wire.ReportEpoch, epoch)
	r.Metrics = &wire.Metrics{AUCPR: aucPR, Loss: 0.5}
	r.Throughput = &wire.Throughput{EpochSeconds: float64(10 * epoch)}
	if kept {
		r.Checkpoint = &wire.CheckpointRef{
			URI:    fmt.Sprintf("file:///c/%s/e%d", r.Writer, epoch),
			Digest: fmt.Sprintf("sha256:%s%d", w.Pod, epoch),
		}
	}
	return r
}

// Repeat returns w's repetition of another writer's report, of this run or of the run from which it resumes.
func (w *Writer) Repeat(r wire.Report) wire.Report {
	w.Sequence++
	if r.ComputedBy == nil {
		r.ComputedBy = &wire.Origin{Writer: r.Writer, Sequence: r.Sequence}
	}
	t := wire.Trial{Name: "d18", Attempt: w.Attempt}
	r.Attempt, r.Writer, r.Sequence = w.Attempt, t.Writer(w.Pod), w.Sequence
	return r
}

// ThreeAttempts returns reports that three pods of one trial might send. Each pod resumes somewhere and repeats some of
// the earlier reports.
func ThreeAttempts(rng *rand.Rand) (all []wire.Report) {
	for attempt := 1; attempt <= 3; attempt++ {
		w := &Writer{Attempt: attempt, Pod: fmt.Sprint("p", attempt)}
		from := rng.IntN(4)
		all = append(all, w.Report(wire.ReportResumed, from))
		for _, r := range all {
			if r.Kind == wire.ReportEpoch && r.ComputedBy == nil && rng.IntN(3) == 0 {
				all = append(all, w.Repeat(r))
			}
		}
		for e := from + 1; e <= from+1+rng.IntN(4); e++ {
			all = append(all, w.Epoch(e, float64(rng.IntN(6))/10, rng.IntN(2) == 0))
		}
	}
	return all
}
