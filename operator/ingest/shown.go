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
	folded int64 // the run's reports until then, itself included
	told   time.Time
}

// awaitShown remembers a report that a status will show. One that is read again after a restart, or that repeats an older one, says
// nothing about how long reports take.
func (f *follower) awaitShown(r wire.Report, live bool) {
	f.folded++
	if live && r.ComputedBy == nil && len(f.unshown) < maxUnshown {
		f.unshown = append(f.unshown, unshown{f.folded, r.Time})
	}
}

// Mark is how far a run's reports have been folded. Taken before Reports, it says what Shown may count.
func (g *Ingest) Mark(uid types.UID) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.runs[uid]; f != nil {
		return f.folded
	}
	return 0
}

// Shown says that the run's status shows what was folded up to the mark; written: since now, and not already before.
func (g *Ingest) Shown(uid types.UID, mark int64, written bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.runs[uid]
	if f == nil {
		return
	}
	n := 0
	for n < len(f.unshown) && f.unshown[n].folded <= mark {
		if written {
			metrics.ReportToStatus.Observe(max(0, now.Sub(f.unshown[n].told).Seconds())) // two clocks may disagree
		}
		n++
	}
	f.unshown = f.unshown[n:]
}
