package judge

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// bestIsBest: of all epochs with a committed checkpoint in the stream the highest AUC-PR; at equal values the smaller depth; then
// the earlier epoch. (The runs here set no tie margin and no least value.)
func bestIsBest(h History, last Status, say sayer) {
	var candidates []Report
	for _, r := range h.Reports {
		if r.Metrics != nil && r.Checkpoint != nil {
			candidates = append(candidates, r)
		}
	}
	sort.SliceStable(candidates, func(i, j int) bool {
		a, b := candidates[i], candidates[j]
		if a.Metrics.AUCPR != b.Metrics.AUCPR {
			return a.Metrics.AUCPR > b.Metrics.AUCPR
		}
		if a.Depth != b.Depth {
			return a.Depth < b.Depth
		}
		return a.Epoch < b.Epoch
	})
	switch {
	case len(candidates) == 0:
		say(Other, "no report names a checkpoint")
	case last.Best == nil:
		say(Other, "there is no best, and the stream has %s at epoch %d", candidates[0].Trial, candidates[0].Epoch)
	case last.Best.Provisional:
		say(Other, "the best of an ended run is provisional")
	case last.Best.Trial != candidates[0].Trial || last.Best.Epoch != candidates[0].Epoch || fmt.Sprintf("%.4f", candidates[0].Metrics.AUCPR) != last.Best.AUCPR:
		say(Other, "best is %s epoch %d at %s, recomputed from the stream it is %s epoch %d at %.4f",
			last.Best.Trial, last.Best.Epoch, last.Best.AUCPR, candidates[0].Trial, candidates[0].Epoch, candidates[0].Metrics.AUCPR)
	}
	if last.Best != nil {
		itsOwn(h, last.Best.Trial, last.Best, say)
	}
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
