package ingest

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/wire"
)

// maxUnshown bounds the unshown reports of a run: while the API server cannot be reached, no status is written.
const maxUnshown = 4096

// unshownReport is a report that no status shows yet.
type unshownReport struct {
	folded   int64 // how many reports of the run had been folded, this one included
	reported time.Time
}

// awaitShown remembers a report until a status shows it. Reports that were read again after a restart, and repetitions
// of older reports, are left out: their age says nothing about how long reports take.
func (t *trackedRun) awaitShown(r wire.Report, live bool) {
	t.folded++
	if live && r.ComputedBy == nil && len(t.unshown) < maxUnshown {
		t.unshown = append(t.unshown, unshownReport{t.folded, r.Time})
	}
}

// FoldedSoFar returns how many reports of a run have been folded, without duplicates and heartbeats, which no status
// shows. A caller that reads the number before it calls Reports may pass it to MarkShown.
func (g *Ingest) FoldedSoFar(uid types.UID) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.runs[uid]; t != nil {
		return t.folded
	}
	return 0
}

// MarkShown records that the run's status now shows the first folded reports of the run, where folded is a number that
// FoldedSoFar returned. If written, the status was written just now, and MarkShown measures the delay of each of these
// reports. Otherwise the status did not change, and the reports are forgotten without a measurement.
func (g *Ingest) MarkShown(uid types.UID, folded int64, written bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.runs[uid]
	if t == nil {
		return
	}
	n := 0
	for n < len(t.unshown) && t.unshown[n].folded <= folded {
		if written {
			delay := now.Sub(t.unshown[n].reported).Seconds()
			metrics.ReportToStatus.Observe(max(0, delay)) // the clocks of pod and operator may disagree
		}
		n++
	}
	t.unshown = t.unshown[n:]
}
