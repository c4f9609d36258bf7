package ingest

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/wire"
)

// maxUnshown bounds what is remembered of a run whose status is not written: an API server that is away.
const maxUnshown = 4096

// unshown is a report of progress that no status shows yet.
type unshown struct {
	folded   int64 // the run's reports until then, itself included
	reported time.Time
}

// awaitShown remembers a report that a status will show. One that is read again after a restart, or that repeats an
// older one, says nothing about how long reports take.
func (f *trackedRun) awaitShown(r wire.Report, live bool) {
	f.folded++
	if live && r.ComputedBy == nil && len(f.unshown) < maxUnshown {
		f.unshown = append(f.unshown, unshown{f.folded, r.Time})
	}
}

// FoldedSoFar returns how many reports of a run have been folded. A caller that reads it before Reports may pass it to
// MarkShown.
func (g *Ingest) FoldedSoFar(uid types.UID) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.runs[uid]; f != nil {
		return f.folded
	}
	return 0
}

// MarkShown records that the run's status shows the first folded reports of the run. written: the status was written
// just now, so that their delay is measured.
func (g *Ingest) MarkShown(uid types.UID, folded int64, written bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.runs[uid]
	if f == nil {
		return
	}
	n := 0
	for n < len(f.unshown) && f.unshown[n].folded <= folded {
		if written {
			metrics.ReportToStatus.Observe(max(0, now.Sub(f.unshown[n].reported).Seconds())) // two clocks may disagree
		}
		n++
	}
	f.unshown = f.unshown[n:]
}
