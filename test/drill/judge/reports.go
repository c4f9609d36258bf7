package judge

import (
	"slices"
	"strings"
)

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
			say(Other, "the stream has a report of run %s among this run's", r.RunUID)
		}
		done[r.Writer] = done[r.Writer] || r.Kind == "finished"
	}
	different := told(h)
	for _, t := range last.Trials {
		if got, want := t.ReportsSeen, len(different[t.Name]); got != want {
			kind := LostReport
			if got > want {
				kind = Doubled
			}
			say(kind, "%s: status counts %d reports, the stream holds %d different ones", t.Name, got, want)
		}
		gaps := missing(h, t.Name)
		if t.Gaps != len(gaps) {
			say(LostReport, "%s: status counts %d gaps, the stream has %d", t.Name, t.Gaps, len(gaps))
		}
		for _, g := range gaps {
			if done[g.writer] {
				say(LostReport, "%s told that it is done, and its report %d is not in the stream", g.writer, g.sequence)
			}
		}
	}
}

// duplicatesCounted: what the stream holds of a trial beyond its different reports is counted as duplicates, each once: by an operator
// that takes over as well, which reads all of it again. A pod that lingers may send a report once more when the run has ended and
// nobody counts; all that came before the last trial told that it is done has been read by then.
func duplicatesCounted(h History, last Status, say sayer) {
	type told struct {
		trial string
		first origin
	}
	finished, done := map[string]bool{}, uint64(0) // done is where the last of them told so for the first time
	for _, r := range h.Reports {
		if r.Kind == "finished" && !finished[r.Trial] {
			finished[r.Trial], done = true, r.Stream
		}
	}
	seen, least, most := map[told]bool{}, map[string]int{}, map[string]int{}
	for _, r := range h.Reports {
		x := told{r.Trial, originOf(r)}
		if seen[x] {
			most[r.Trial]++
			if r.Stream < done {
				least[r.Trial]++
			}
		}
		seen[x] = true
	}
	for _, t := range last.Trials {
		if t.Duplicates < least[t.Name] || t.Duplicates > most[t.Name] {
			say(Doubled, "%s: status counts %d duplicates, the stream holds %d, %d of them from before the trials were done", t.Name, t.Duplicates, most[t.Name], least[t.Name])
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

// committedIsTold: the history in the checkpoint of a trial that succeeded is in the stream, all of it. Nobody goes on from one whose
// best the drill damaged.
func committedIsTold(h History, last Status, say sayer) {
	told := told(h)
	for _, t := range last.Trials {
		if t.Phase != "Succeeded" {
			continue
		}
		for _, c := range h.Checkpoints {
			if c.Trial != t.Name || c.Kind != "resume" || c.Damage != "" || slices.ContainsFunc(damaged(h, t.Name, "best"), func(dir string) bool { return strings.HasSuffix(c.Best, "/"+dir) }) {
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
				say(LostReport, "%s: %d reports in %s never reached the stream", t.Name, lost, c.Dir)
			}
		}
	}
}
