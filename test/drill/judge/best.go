package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// bestIsBest: of all epochs with a committed checkpoint in the stream the highest AUC-PR; at equal values the smaller depth; then
// the earlier epoch. (The runs here set no tie margin and no least value.) The same holds for each trial among its own epochs.
func bestIsBest(h History, last Status, say sayer) {
	for _, t := range last.Trials {
		isHighest(t.Name+"'s best", highest(h, func(r Report) bool { return r.Trial == t.Name }), t.Best, say)
	}
	isHighest("best", highest(h, func(Report) bool { return true }), last.Best, say)
	if last.Best != nil {
		if last.Best.Provisional {
			say(Other, "the best of an ended run is provisional")
		}
		itsOwn(h, last.Best.Trial, last.Best, say)
	}
}

func isHighest(what string, want *Report, got *Best, say sayer) {
	switch {
	case want == nil:
		say(Other, "%s: no report names a checkpoint", what)
	case got == nil:
		say(Other, "%s: there is none in status, and the stream has %s at epoch %d", what, want.Trial, want.Epoch)
	case (got.Trial != "" && got.Trial != want.Trial) || got.Epoch != want.Epoch || fmt.Sprintf("%.4f", want.Metrics.AUCPR) != got.AUCPR:
		say(Other, "%s is %sepoch %d at %s, recomputed from the stream it is %s epoch %d at %.4f", what, spaced(got.Trial), got.Epoch, got.AUCPR, want.Trial, want.Epoch, want.Metrics.AUCPR)
	}
}

// spaced are a trial's name and a space; of its own best a trial does not tell its name.
func spaced(name string) string { return strings.TrimPrefix(name+" ", " ") }

// highest is what the rule picks of some reports.
func highest(h History, of func(Report) bool) (best *Report) {
	for i, r := range h.Reports {
		if r.Metrics == nil || r.Checkpoint == nil || !of(r) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(best.Metrics.AUCPR, r.Metrics.AUCPR), cmp.Compare(r.Depth, best.Depth), cmp.Compare(r.Epoch, best.Epoch)) < 0 {
			best = &h.Reports[i]
		}
	}
	return best
}

// itsOwn: a best's checkpoint is one that the trial has told of that very epoch, and it is there, whole.
func itsOwn(h History, trial string, b *Best, say sayer) {
	named := slices.ContainsFunc(h.Reports, func(r Report) bool {
		return r.Trial == trial && r.Epoch == b.Epoch && r.Checkpoint != nil && *r.Checkpoint == b.Checkpoint
	})
	if !named {
		say(Other, "%s: no report of epoch %d names the checkpoint %s", trial, b.Epoch, b.Checkpoint.URI)
	}
	switch c := find(h, b.Checkpoint); {
	case beyondRepair(h, trial, b.Checkpoint):
	case c == nil || c.Damage != "":
		say(FalseSuccess, "%s: its best, %s, is not there whole: %+v", trial, b.Checkpoint.URI, c)
	case c.Kind != "best" || c.Trial != trial || c.Epoch != b.Epoch:
		say(Other, "%s: its best of epoch %d is a %s checkpoint of %s at epoch %d", trial, b.Epoch, c.Kind, c.Trial, c.Epoch)
	}
}

// beyondRepair says whether the drill damaged a best when its trial had told that it is done: what is found out of such a one when it is
// to be promoted. Damaged before that, it is made again by the next attempt, and nothing excuses a status that still names it.
func beyondRepair(h History, trial string, best Ref) bool {
	return slices.ContainsFunc(h.Damaged, func(d Damage) bool {
		return strings.HasSuffix(best.URI, "/"+d.Dir) && slices.ContainsFunc(h.Reports, func(r Report) bool {
			return r.Trial == trial && r.Kind == "finished" && r.Attempt <= d.Attempt
		})
	})
}

// find is the checkpoint of a reference, by the digest of its manifest and the end of its location.
func find(h History, ref Ref) *Checkpoint {
	for i, c := range h.Checkpoints {
		if c.Digest == ref.Digest && strings.HasSuffix(ref.URI, "/"+c.Dir) {
			return &h.Checkpoints[i]
		}
	}
	return nil
}

// succeededIsTrue: a trial that succeeded has told that it finished, has trained all its epochs, and its best is there whole.
func succeededIsTrue(h History, last Status, say sayer) {
	finished := map[string]bool{}
	for _, r := range h.Reports {
		if r.Kind == "finished" && r.Epoch == r.Epochs {
			finished[r.Trial] = true
		}
	}
	for _, t := range last.Trials {
		if t.Phase != "Succeeded" {
			say(Other, "%s ended %s (%s): %s", t.Name, t.Phase, t.Reason, t.Message)
			continue
		}
		if !finished[t.Name] {
			say(FalseSuccess, "%s succeeded, and no report in the stream says that it finished", t.Name)
		}
		if t.Epoch != t.Epochs {
			say(FalseSuccess, "%s succeeded at epoch %d of %d", t.Name, t.Epoch, t.Epochs)
		}
		if t.Best == nil {
			say(FalseSuccess, "%s succeeded without a best", t.Name)
		} else {
			itsOwn(h, t.Name, t.Best, say)
		}
	}
}
