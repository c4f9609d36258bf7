package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// checkBests checks the best of the run and of each trial. The best of the run is the epoch with the highest AUC-PR
// among all epochs in the stream that have a committed checkpoint. At equal values the smaller depth wins, then the
// earlier epoch. (Drilled runs set no tie margin and no least value.) The same rule gives each trial's best among the
// trial's own epochs.
func checkBests(h History, last Status, record recordFunc) {
	for _, t := range last.Trials {
		want := highest(h, func(r Report) bool { return r.Trial == t.Name })
		compareBests(t.Name+"'s best", want, t.Best, record)
	}
	compareBests("best", highest(h, func(Report) bool { return true }), last.Best, record)
	if last.Best != nil {
		if last.Best.Provisional {
			record(Other, "the best of an ended run is provisional")
		}
		checkBestCheckpoint(h, last.Best.Trial, last.Best, record)
	}
}

// compareBests records a violation unless the best in status is the report that the rule selects. subject starts its
// text.
func compareBests(subject string, want *Report, got *Best, record recordFunc) {
	if want == nil {
		record(Other, "%s: no report names a checkpoint", subject)
		return
	}
	if got == nil {
		record(Other, "%s: there is none in status, and the stream has %s at epoch %d", subject, want.Trial, want.Epoch)
		return
	}
	// In status a trial's own best does not repeat the trial's name.
	sameTrial := got.Trial == "" || got.Trial == want.Trial
	if !sameTrial || got.Epoch != want.Epoch || got.AUCPR != fmt.Sprintf("%.4f", want.Metrics.AUCPR) {
		record(Other, "%s is %sepoch %d at %s, recomputed from the stream it is %s epoch %d at %.4f", subject,
			strings.TrimPrefix(got.Trial+" ", " "), got.Epoch, got.AUCPR, want.Trial, want.Epoch, want.Metrics.AUCPR)
	}
}

// highest returns the report that the rule selects among those that of accepts, or nil if none of them names a
// checkpoint.
func highest(h History, of func(Report) bool) (best *Report) {
	for i, r := range h.Reports {
		if r.Metrics == nil || r.Checkpoint == nil || !of(r) {
			continue
		}
		if best == nil || isBetter(r, *best) {
			best = &h.Reports[i]
		}
	}
	return best
}

func isBetter(a, b Report) bool {
	return cmp.Or(
		cmp.Compare(b.Metrics.AUCPR, a.Metrics.AUCPR),
		cmp.Compare(a.Depth, b.Depth),
		cmp.Compare(a.Epoch, b.Epoch),
	) < 0
}

// checkBestCheckpoint checks that a report of the trial and the epoch names the best's checkpoint, and that checkpoint
// is on the disk, whole.
func checkBestCheckpoint(h History, trial string, b *Best, record recordFunc) {
	named := slices.ContainsFunc(h.Reports, func(r Report) bool {
		return r.Trial == trial && r.Epoch == b.Epoch && r.Checkpoint != nil && *r.Checkpoint == b.Checkpoint
	})
	if !named {
		record(Other, "%s: no report of epoch %d names the checkpoint %s", trial, b.Epoch, b.Checkpoint.URI)
	}
	switch c := find(h, b.Checkpoint); {
	case damagedAfterFinish(h, trial, b.Checkpoint):
	case c == nil || c.Damage != "":
		record(FalseSuccess, "%s: its best, %s, is not there whole: %+v", trial, b.Checkpoint.URI, c)
	case c.Kind != "best" || c.Trial != trial || c.Epoch != b.Epoch:
		record(Other, "%s: its best of epoch %d is a %s checkpoint of %s at epoch %d",
			trial, b.Epoch, c.Kind, c.Trial, c.Epoch)
	}
}

// damagedAfterFinish reports whether the drill damaged a best after its trial had reported that it finished. No attempt
// trains after that, so only a promotion would find the damage. When a best is damaged earlier, the next attempt makes
// it again, and a status that still names the damaged best is a violation.
func damagedAfterFinish(h History, trial string, best Ref) bool {
	return slices.ContainsFunc(h.Damaged, func(d Damage) bool {
		return strings.HasSuffix(best.URI, "/"+d.Dir) && slices.ContainsFunc(h.Reports, func(r Report) bool {
			return r.Trial == trial && r.Kind == "finished" && r.Attempt <= d.Attempt
		})
	})
}

// find returns the checkpoint that ref names, by the digest of its manifest and the end of its location, or nil if
// there is none.
func find(h History, ref Ref) *Checkpoint {
	for i, c := range h.Checkpoints {
		if c.Digest == ref.Digest && strings.HasSuffix(ref.URI, "/"+c.Dir) {
			return &h.Checkpoints[i]
		}
	}
	return nil
}

// checkSuccesses checks that every trial succeeded, reported that it finished, trained all its epochs, and its best is
// on the disk, whole.
func checkSuccesses(h History, last Status, record recordFunc) {
	finished := map[string]bool{} // by trial
	for _, r := range h.Reports {
		if r.Kind == "finished" && r.Epoch == r.Epochs {
			finished[r.Trial] = true
		}
	}
	for _, t := range last.Trials {
		if t.Phase != "Succeeded" {
			record(Other, "%s ended %s (%s): %s", t.Name, t.Phase, t.Reason, t.Message)
			continue
		}
		if !finished[t.Name] {
			record(FalseSuccess, "%s succeeded, and no report in the stream says that it finished", t.Name)
		}
		if t.Epoch != t.Epochs {
			record(FalseSuccess, "%s succeeded at epoch %d of %d", t.Name, t.Epoch, t.Epochs)
		}
		if t.Best == nil {
			record(FalseSuccess, "%s succeeded without a best", t.Name)
		} else {
			checkBestCheckpoint(h, t.Name, t.Best, record)
		}
	}
}
