package judge

import "time"

// checkPodsApart checks that no trial has two pods that run at the same time.
func checkPodsApart(h History, record recordFunc) {
	for i, a := range h.Pods {
		for _, b := range h.Pods[i+1:] {
			if a.Trial != b.Trial || a.Started.IsZero() || b.Started.IsZero() {
				continue
			}
			if (a.Ended.IsZero() || b.Started.Before(a.Ended)) && (b.Ended.IsZero() || a.Started.Before(b.Ended)) {
				record(Other, "%s had two pods at once: %s from %s to %s and %s from %s to %s",
					a.Trial, a.Name, clock(a.Started), clock(a.Ended), b.Name, clock(b.Started), clock(b.Ended))
			}
		}
	}
}

// checkNothingGoesBack checks that no epoch, attempt, count of reports or best AUC-PR gets smaller from one version of
// the status to the next, that a trial that has ended keeps its phase, and that a run that has ended does not continue.
func checkNothingGoesBack(h History, record recordFunc) {
	terminal := func(phase string) bool { return phase == "Succeeded" || phase == "Failed" || phase == "Stopped" }
	previous := map[string]Trial{}
	ended := false
	for _, s := range h.Statuses {
		if ended && s.CompletionTime == "" {
			record(Other, "the run had ended and is running again")
		}
		ended = s.CompletionTime != ""
		for _, t := range s.Trials {
			p, seen := previous[t.Name]
			previous[t.Name] = t
			switch {
			case !seen:
			case t.Attempt < p.Attempt, t.Epoch < p.Epoch, t.ReportsSeen < p.ReportsSeen:
				record(Other, "%s went back from attempt %d, epoch %d, %d reports to attempt %d, epoch %d, %d reports",
					t.Name, p.Attempt, p.Epoch, p.ReportsSeen, t.Attempt, t.Epoch, t.ReportsSeen)
			case terminal(p.Phase) && t.Phase != p.Phase:
				record(FalseSuccess, "%s had ended %s and is %s", t.Name, p.Phase, t.Phase)
			// AUC-PR has four decimals in status, so the order of the strings is that of the numbers.
			case p.Best != nil && (t.Best == nil || t.Best.AUCPR < p.Best.AUCPR):
				record(Other, "%s lost its best of %s", t.Name, p.Best.AUCPR)
			}
		}
	}
}

// clock returns the time of day in UTC, or "now" for the zero time: a pod without an end is still running.
func clock(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.UTC().Format("15:04:05")
}
