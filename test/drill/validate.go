package main

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
)

// Validate says what must not have happened. It knows the rules from the design alone and shares no code with what it judges.
// calm is the same run undisturbed; what a trial ends with must not differ from that.
func Validate(h, calm History) (violations []string) {
	say := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	if len(h.Statuses) == 0 {
		return []string{"no version of the run was seen"}
	}
	last := h.Statuses[len(h.Statuses)-1]
	if last.CompletionTime == "" {
		return []string{"the run did not end: it is " + last.Phase}
	}
	if last.Phase != "Succeeded" {
		say("the run ended %s", last.Phase)
	}
	countedOnce(h, last, say)
	bestIsBest(h, last, say)
	succeededIsTrue(h, last, say)
	writersApart(h, say)
	podsApart(h, say)
	neverBack(h, say)
	nothingRepeated(h, say)
	committedIsTold(h, last, say)
	sameAsCalm(h, calm, say)
	for _, l := range h.Leftovers {
		say("left over after the run was deleted: %s", l)
	}
	return violations
}

type sayer func(format string, args ...any)

// origin is where a report was first told.
type origin struct {
	writer   string
	sequence int64
}

func originOf(r Report) origin {
	if r.ComputedBy != nil {
		return origin{r.ComputedBy.Writer, r.ComputedBy.Sequence}
	}
	return origin{r.Writer, r.Sequence}
}

// told are the different reports of each trial in the stream.
func told(h History) map[string]map[origin]bool {
	out := map[string]map[origin]bool{}
	for _, r := range h.Reports {
		if out[r.Trial] == nil {
			out[r.Trial] = map[origin]bool{}
		}
		out[r.Trial][originOf(r)] = true
	}
	return out
}

// countedOnce: every report in the stream is counted once, by where it was first told. A writer that was killed may leave gaps, which
// are counted; one that told that it is done leaves none.
func countedOnce(h History, last Status, say sayer) {
	done := map[string]bool{}
	for _, r := range h.Reports {
		if r.RunUID != h.UID {
			say("the stream has a report of run %s among this run's", r.RunUID)
		}
		done[r.Writer] = done[r.Writer] || r.Kind == "finished"
	}
	different := told(h)
	for _, t := range last.Trials {
		if got, want := t.ReportsSeen, len(different[t.Name]); got != want {
			say("%s: status counts %d reports, the stream holds %d different ones", t.Name, got, want)
		}
		gaps := missing(h, t.Name)
		if t.Gaps != len(gaps) {
			say("%s: status counts %d gaps, the stream has %d", t.Name, t.Gaps, len(gaps))
		}
		for _, g := range gaps {
			if done[g.writer] {
				say("%s told that it is done, and its report %d is not in the stream", g.writer, g.sequence)
			}
		}
	}
}

// missing are the sequences below a writer's highest that the stream lacks. A writer that was killed may leave some behind.
func missing(h History, trial string) (out []origin) {
	seen, highest := map[origin]bool{}, map[string]int64{}
	for _, r := range h.Reports {
		if r.Trial == trial {
			seen[origin{r.Writer, r.Sequence}] = true
			highest[r.Writer] = max(highest[r.Writer], r.Sequence)
		}
	}
	for w, n := range highest {
		for s := int64(1); s < n; s++ {
			if !seen[origin{w, s}] {
				out = append(out, origin{w, s})
			}
		}
	}
	return out
}

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
		say("no report names a checkpoint")
	case last.Best == nil:
		say("there is no best, and the stream has %s at epoch %d", candidates[0].Trial, candidates[0].Epoch)
	case last.Best.Provisional:
		say("the best of an ended run is provisional")
	case last.Best.Trial != candidates[0].Trial || last.Best.Epoch != candidates[0].Epoch || fmt.Sprintf("%.4f", candidates[0].Metrics.AUCPR) != last.Best.AUCPR:
		say("best is %s epoch %d at %s, recomputed from the stream it is %s epoch %d at %.4f",
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
		say("%s: no report of epoch %d names the checkpoint %s", trial, b.Epoch, b.Checkpoint.URI)
	}
	switch c := find(h, b.Checkpoint); {
	case c == nil || c.Damage != "":
		say("%s: its best, %s, is not there whole: %+v", trial, b.Checkpoint.URI, c)
	case c.Kind != "best" || c.Trial != trial || c.Epoch != b.Epoch:
		say("%s: its best of epoch %d is a %s checkpoint of %s at epoch %d", trial, b.Epoch, c.Kind, c.Trial, c.Epoch)
	}
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
			say("%s ended %s (%s): %s", t.Name, t.Phase, t.Reason, t.Message)
			continue
		}
		if !finished[t.Name] {
			say("%s succeeded, and no report in the stream says that it finished", t.Name)
		}
		if t.Epoch != t.Epochs {
			say("%s succeeded at epoch %d of %d", t.Name, t.Epoch, t.Epochs)
		}
		if t.Best == nil {
			say("%s succeeded without a best", t.Name)
		} else {
			itsOwn(h, t.Name, t.Best, say)
		}
	}
}

// writersApart: what lies in a writer's directory was written by that writer.
func writersApart(h History, say sayer) {
	for _, c := range h.Checkpoints {
		dir := path.Base(path.Dir(c.Dir))
		if c.Damage == "" && c.Writer != dir {
			say("checkpoint %s was written by %s", c.Dir, c.Writer)
		}
		if c.Damage != "" && !slices.Contains(h.Damaged, c.Dir) {
			say("checkpoint %s bears its final name and is not whole: %s", c.Dir, c.Damage)
		}
	}
}

// podsApart: no trial had two pods that ran at the same time.
func podsApart(h History, say sayer) {
	for i, a := range h.Pods {
		for _, b := range h.Pods[i+1:] {
			if a.Trial != b.Trial || a.Started.IsZero() || b.Started.IsZero() {
				continue
			}
			if (a.Ended.IsZero() || b.Started.Before(a.Ended)) && (b.Ended.IsZero() || a.Started.Before(b.Ended)) {
				say("%s had two pods at once: %s from %s to %s and %s from %s to %s", a.Trial, a.Name, clock(a.Started), clock(a.Ended), b.Name, clock(b.Started), clock(b.Ended))
			}
		}
	}
}

// neverBack: an epoch, an attempt, a count, a terminal phase and a best's value never go back.
func neverBack(h History, say sayer) {
	terminal := func(phase string) bool { return phase == "Succeeded" || phase == "Failed" || phase == "Stopped" }
	was := map[string]Trial{}
	ended := false
	for _, s := range h.Statuses {
		if ended && s.CompletionTime == "" {
			say("the run had ended and goes on")
		}
		ended = s.CompletionTime != ""
		for _, t := range s.Trials {
			w, seen := was[t.Name]
			was[t.Name] = t
			switch {
			case !seen:
			case t.Attempt < w.Attempt, t.Epoch < w.Epoch, t.ReportsSeen < w.ReportsSeen:
				say("%s went back from attempt %d, epoch %d, %d reports to attempt %d, epoch %d, %d reports", t.Name, w.Attempt, w.Epoch, w.ReportsSeen, t.Attempt, t.Epoch, t.ReportsSeen)
			case terminal(w.Phase) && t.Phase != w.Phase:
				say("%s had ended %s and is %s", t.Name, w.Phase, t.Phase)
			case w.Best != nil && (t.Best == nil || t.Best.AUCPR < w.Best.AUCPR): // four digits each: their order is that of the words
				say("%s lost its best of %s", t.Name, w.Best.AUCPR)
			}
		}
	}
}

// nothingRepeated: an attempt that was asked to end, and did so with its checkpoint (exit code 75), is gone on from where it was. One
// that was killed had told an epoch at most before its checkpoint was committed: the next one goes on from there, and does not begin
// anew. Each checkpoint that the drill damaged costs one epoch more; of two nothing may be left.
func nothingRepeated(h History, say sayer) {
	saved := map[string]bool{}
	for _, p := range h.Pods {
		if p.ExitCode != nil && *p.ExitCode == 75 {
			saved[p.Trial+" "+p.Attempt] = true
		}
	}
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		harmed := len(damaged(h, t.Name))
		if harmed > 1 {
			continue
		}
		for i, next := range t.Attempts {
			if next.FromEpoch == nil {
				continue
			}
			if n := epochsTold(h, t.Name, next.Number); *next.FromEpoch < n-1-harmed {
				say("%s: %d epochs were told before attempt %d, and it went on from epoch %d", t.Name, n, next.Number, *next.FromEpoch)
			}
			for _, a := range t.Attempts[:i] {
				if saved[fmt.Sprint(t.Name, " ", a.Number)] && harmed == 0 && *next.FromEpoch < a.Epoch {
					say("%s: attempt %d saved itself after epoch %d, and attempt %d went on from epoch %d", t.Name, a.Number, a.Epoch, next.Number, *next.FromEpoch)
				}
			}
		}
	}
}

// epochsTold is the highest epoch that attempts before one have told.
func epochsTold(h History, trial string, attempt int) (n int) {
	for _, r := range h.Reports {
		if r.Trial == trial && r.Attempt < attempt && r.Kind == "epoch" {
			n = max(n, r.Epoch)
		}
	}
	return n
}

// damaged are the checkpoints of a trial that the drill itself damaged.
func damaged(h History, trial string) (dirs []string) {
	for _, dir := range h.Damaged {
		if strings.Contains(dir, "/"+trial+"/") {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// committedIsTold: the history in the checkpoint of a trial that succeeded is in the stream, all of it.
func committedIsTold(h History, last Status, say sayer) {
	told := told(h)
	for _, t := range last.Trials {
		if t.Phase != "Succeeded" {
			continue
		}
		for _, c := range h.Checkpoints {
			if c.Trial != t.Name || c.Kind != "resume" || c.Damage != "" {
				continue
			}
			lost := 0
			for _, r := range c.History {
				if !told[t.Name][originOf(r)] {
					lost++
				}
			}
			// What a checkpoint holds that nobody went on from may have been trained again: only the last one's history must be told.
			if lost > 0 && c.Epoch == t.Epochs {
				say("%s: %d reports in %s never reached the stream", t.Name, lost, c.Dir)
			}
		}
	}
}

// sameAsCalm: the weights at the end, and the best, are those of the undisturbed run, byte by byte.
func sameAsCalm(h, calm History, say sayer) {
	if calm.UID == "" {
		return
	}
	left := final(h)
	for trial, want := range final(calm) {
		got, ok := left[trial]
		switch {
		case !ok && lastDamaged(h, trial): // after it had told that it is done
		case !ok:
			say("%s left no checkpoint of its last epoch", trial)
		case got != want:
			say("%s ended with other weights than undisturbed", trial)
		}
	}
	a, b := h.Statuses[len(h.Statuses)-1], calm.Statuses[len(calm.Statuses)-1]
	if a.Best != nil && b.Best != nil && (a.Best.Trial != b.Best.Trial || a.Best.Epoch != b.Best.Epoch || a.Best.AUCPR != b.Best.AUCPR) {
		say("best is %s epoch %d at %s, undisturbed it was %s epoch %d at %s", a.Best.Trial, a.Best.Epoch, a.Best.AUCPR, b.Best.Trial, b.Best.Epoch, b.Best.AUCPR)
	}
	for i, t := range a.Trials {
		if u := b.Trials[i]; t.Best != nil && u.Best != nil {
			x, y := find(h, t.Best.Checkpoint), find(calm, u.Best.Checkpoint)
			if x != nil && y != nil && x.Files["weights.safetensors"] != y.Files["weights.safetensors"] {
				say("%s: its best has other weights than undisturbed", t.Name)
			}
		}
	}
}

// lastDamaged says whether the drill itself damaged the checkpoint of a trial's last epoch.
func lastDamaged(h History, trial string) bool {
	last := fmt.Sprintf("/resume-e%04d-", epochsOf(h)[trial])
	return slices.ContainsFunc(damaged(h, trial), func(dir string) bool { return strings.Contains(dir, last) })
}

// epochsOf are the epochs that each trial is to train.
func epochsOf(h History) map[string]int {
	epochs := map[string]int{}
	for _, t := range h.Statuses[len(h.Statuses)-1].Trials {
		epochs[t.Name] = t.Epochs
	}
	return epochs
}

// final is the digest of the weights and the optimizer's memory at each trial's last epoch.
func final(h History) map[string]string {
	epochs, out := epochsOf(h), map[string]string{}
	for _, c := range h.Checkpoints {
		if c.Kind == "resume" && c.Epoch == epochs[c.Trial] && c.Damage == "" {
			out[c.Trial] = c.Files["weights.safetensors"] + " " + c.Files["slots.safetensors"]
		}
	}
	return out
}
