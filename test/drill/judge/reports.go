package judge

import (
	"slices"
	"strings"
)

// originOf returns where a report was first made. A writer that resumes sends the reports of the attempts before it
// again.
func originOf(r Report) Origin {
	if r.ComputedBy != nil {
		return *r.ComputedBy
	}
	return Origin{r.Writer, r.Sequence}
}

// differentReports returns, by trial, the origins of all reports in the stream. Repeated reports have one origin.
func differentReports(h History) map[string]map[Origin]bool {
	out := map[string]map[Origin]bool{}
	for _, r := range h.Reports {
		if out[r.Trial] == nil {
			out[r.Trial] = map[Origin]bool{}
		}
		out[r.Trial][originOf(r)] = true
	}
	return out
}

// checkReportCounts checks that status counts every report in the stream once, by its origin, and counts the gaps. A
// writer that was killed may leave gaps. One that reported that it finished leaves none.
func checkReportCounts(h History, last Status, record recordFunc) {
	finished := map[string]bool{} // by writer
	for _, r := range h.Reports {
		if r.RunUID != h.UID {
			record(Other, "the stream has a report of run %s among this run's", r.RunUID)
		}
		finished[r.Writer] = finished[r.Writer] || r.Kind == "finished"
	}
	different := differentReports(h)
	for _, t := range last.Trials {
		if got, want := t.ReportsSeen, len(different[t.Name]); got != want {
			kind := LostReport
			if got > want {
				kind = Doubled
			}
			record(kind, "%s: status counts %d reports, the stream holds %d different ones", t.Name, got, want)
		}
		gaps := missingReports(h, t.Name)
		if t.Gaps != len(gaps) {
			record(LostReport, "%s: status counts %d gaps, the stream has %d", t.Name, t.Gaps, len(gaps))
		}
		for _, g := range gaps {
			if finished[g.Writer] {
				record(LostReport, "%s reported that it finished, and its report %d is not in the stream",
					g.Writer, g.Sequence)
			}
		}
	}
}

// checkDuplicateCounts checks that status counts as duplicates all reports of a trial in the stream beyond the
// different ones, each once. An operator that takes over reads the whole stream again and must reach the same count.
//
// A lingering pod may send a report again after the run has ended, when no operator counts any more. So the count may
// leave out duplicates that came after the last trial reported that it finished. The operator has read everything
// before that report.
func checkDuplicateCounts(h History, last Status, record recordFunc) {
	type reportOfTrial struct {
		trial  string
		origin Origin
	}
	finished := map[string]bool{} // by trial
	allFinished := uint64(0)      // the stream sequence of the last trial's first "finished"
	for _, r := range h.Reports {
		if r.Kind == "finished" && !finished[r.Trial] {
			finished[r.Trial], allFinished = true, r.Stream
		}
	}
	seen, least, most := map[reportOfTrial]bool{}, map[string]int{}, map[string]int{}
	for _, r := range h.Reports {
		x := reportOfTrial{r.Trial, originOf(r)}
		if seen[x] {
			most[r.Trial]++
			if r.Stream < allFinished {
				least[r.Trial]++
			}
		}
		seen[x] = true
	}
	for _, t := range last.Trials {
		if t.Duplicates < least[t.Name] || t.Duplicates > most[t.Name] {
			record(Doubled,
				"%s: status counts %d duplicates, the stream holds %d, %d of them from before the trials were done",
				t.Name, t.Duplicates, most[t.Name], least[t.Name])
		}
	}
}

// missingReports returns the gaps of a trial: each sequence below a writer's highest that is not in the stream.
func missingReports(h History, trial string) (out []Origin) {
	seen, highest := map[Origin]bool{}, map[string]int64{}
	for _, r := range h.Reports {
		if r.Trial == trial {
			seen[Origin{r.Writer, r.Sequence}] = true
			highest[r.Writer] = max(highest[r.Writer], r.Sequence)
		}
	}
	for w, n := range highest {
		for s := int64(1); s < n; s++ {
			if !seen[Origin{w, s}] {
				out = append(out, Origin{w, s})
			}
		}
	}
	return out
}

// checkCommittedReports checks that every report in the last checkpoint of a trial that succeeded is in the stream.
// Earlier checkpoints are not checked: if no attempt resumed from one, its epochs may have been trained and reported
// again. Nor is a checkpoint whose best the drill damaged: no attempt resumes from that either.
func checkCommittedReports(h History, last Status, record recordFunc) {
	different := differentReports(h)
	for _, t := range last.Trials {
		if t.Phase != "Succeeded" {
			continue
		}
		damagedBests := damaged(h, t.Name, "best")
		for _, c := range h.Checkpoints {
			if c.Trial != t.Name || c.Kind != "resume" || c.Damage != "" || c.Epoch != t.Epochs {
				continue
			}
			if slices.ContainsFunc(damagedBests, func(dir string) bool { return strings.HasSuffix(c.Best, "/"+dir) }) {
				continue
			}
			lost := 0
			for _, r := range c.History {
				if !different[t.Name][originOf(r)] {
					lost++
				}
			}
			if lost > 0 {
				record(LostReport, "%s: %d reports in %s never reached the stream", t.Name, lost, c.Dir)
			}
		}
	}
}
