package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// bestView is the whole answer: the best, its figures, all trials.
func bestView(r *api.TrainingRun, now time.Time, cut string) []line {
	b := r.Status.Best
	trial := findTrial(r, b.Trial)
	if trial == nil {
		trial = &api.TrialStatus{Name: b.Trial}
	}
	var facts grid
	facts.header("", "")
	facts.row("Run", fmt.Sprintf("%s in namespace %s, %s, %s trials ended, %s", r.Name, r.Namespace, phaseOf(r), r.Status.Done, human(took(r, now))))
	best := fmt.Sprintf("%s, epoch %d of %d", b.Trial, b.Epoch, trial.Epochs)
	if b.Provisional {
		best += " (so far: trials that may still win are running)"
	}
	facts.row("Best", best)
	facts.row("Why", b.Reason)
	if u := b.RunnerUp; u != nil {
		facts.row("Runner-up", fmt.Sprintf("%s, AUC-PR %s at epoch %d", u.Trial, number(u.AUCPR, 4), u.Epoch))
	}
	facts.row("Checkpoint", b.Checkpoint.URI)
	facts.row("Digest", b.Checkpoint.Digest)
	if e := expenseOf(costOfRun(r, now)); e.hours > 0 {
		cost := e.String()
		if lost := e.lostShare(); lost != "" {
			cost += ", " + lost + " of it lost to attempts that were repeated"
		}
		facts.row("Cost", cost)
	}
	if y := yield(*b); y != "" {
		facts.row("Yield", fmt.Sprintf("%s: %s after %s", y, b.Trial, expenseOf(costOf(r, *trial, now))))
	}

	var figures grid
	figures.header("SPLIT", "AUC-PR", "95% INTERVAL", "BLIND", "F1", "PRECISION", "RECALL", "THRESHOLD", "SAMPLES")
	figures.row(metricsRow("validation (selected on)", b.Metrics)...)
	if trial.Test != nil {
		figures.row(metricsRow("test (scored once)", *trial.Test)...)
	}
	lines := facts.lines()[1:] // its header is empty
	lines = append(append(lines, nil), figures.lines()...)
	lines = append(append(lines, nil), trialGrid(r, now)...)
	if words := trialWords(r, cut); len(words) > 0 {
		lines = append(append(lines, nil), words...)
	}
	return lines
}

func metricsRow(split string, m api.Metrics) []string {
	samples := ""
	if m.Samples > 0 {
		samples = strconv.Itoa(int(m.Samples))
	}
	return []string{split, number(m.AUCPR, 4), interval(m, "-"), number(m.Prevalence, 4), number(m.F1, 4), number(m.Precision, 4), number(m.Recall, 4), number(m.Threshold, 4), samples}
}

// trialGrid is the table of all trials of a run. Of attempts it says how many, and how many of these were ended from outside.
func trialGrid(r *api.TrainingRun, now time.Time) []line {
	all := expenseOf(costOfRun(r, now))
	var t grid
	t.header("TRIAL", "PHASE", "EPOCH", "BEST", "95% INTERVAL", "AT", "TEST", "ATTEMPTS", "INTERRUPTED")
	if all.hours > 0 {
		t.header(strings.ToUpper(all.unit)+"-H", "LOST")
	}
	for _, s := range r.Status.Trials {
		best, ci, at, test, attempts := "", "", "", "", ""
		if s.Best != nil {
			best, ci, at = number(s.Best.AUCPR, 4), interval(s.Best.Metrics, "-"), fmt.Sprintf("@%d", s.Best.Epoch)
		}
		if s.Test != nil {
			test = number(s.Test.AUCPR, 4)
		}
		if s.Attempt > 0 {
			attempts = strconv.Itoa(int(s.Attempt))
		}
		interrupted := ""
		if s.Interruptions > 0 {
			interrupted = strconv.Itoa(int(s.Interruptions))
		}
		row := []string{s.Name, string(s.Phase), fmt.Sprintf("%d/%d", s.Epoch, s.Epochs), best, ci, at, test, attempts, interrupted}
		if e := expenseOf(costOf(r, s, now)); all.hours > 0 {
			row = append(row, e.amount(), e.lostShare())
		}
		t.row(row...)
	}
	return t.lines()
}

// What trials have to say, in columns and lines; the whole is in -o json and kubectl describe.
const (
	wordsWidth = 100
	wordsLines = 3
)

// trialWords are the sentences about trials: how they stand, what became of their attempts, what their cohort says.
func trialWords(r *api.TrainingRun, cut string) (lines []line) {
	for _, t := range r.Status.Trials {
		message := ""
		if t.Phase != api.TrialSucceeded {
			message = clean(t.Message)
		}
		for _, text := range []string{message, attemptWords(t), cohortWords(t)} {
			if text == "" {
				continue
			}
			for _, l := range wrap(clean(t.Name)+": "+text, wordsWidth, wordsLines, cut) {
				lines = append(lines, line{plain(l)})
			}
		}
	}
	return lines
}

// attemptWords tells what became of a trial's attempts, where there was more than one.
func attemptWords(t api.TrialStatus) string {
	if len(t.Attempts) < 2 {
		return ""
	}
	text := ""
	for i, a := range t.Attempts {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("attempt %d", a.Number)
		if a.FromEpoch != nil && *a.FromEpoch > 0 {
			text += fmt.Sprintf(" from epoch %d", *a.FromEpoch)
		}
		if a.Class != "" {
			text += fmt.Sprintf(" %s at epoch %d", clean(a.Class), a.Epoch)
		}
		var cost []string
		if a.GPUSeconds > 0 {
			cost = append(cost, human(time.Duration(a.GPUSeconds)*time.Second)+" of GPU")
		}
		if a.LostSeconds != nil && *a.LostSeconds > 0 {
			cost = append(cost, human(time.Duration(*a.LostSeconds)*time.Second)+" lost")
		}
		if len(cost) > 0 {
			text += " (" + strings.Join(cost, ", ") + ")"
		}
	}
	return text
}
