package best

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cost"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/table"
	"plumbline.dev/plumbline/cli/text"
)

// view is the whole answer: the best, its figures, all trials.
func view(r *api.TrainingRun, now time.Time, cut string) []text.Line {
	b := r.Status.Best
	trial := runstate.FindTrial(r, b.Trial)
	if trial == nil {
		trial = &api.TrialStatus{Name: b.Trial}
	}
	var facts table.Grid
	facts.Header("", "")
	facts.Row("Run", fmt.Sprintf("%s in namespace %s, %s, %s trials ended, %s",
		r.Name, r.Namespace, runstate.Phase(r), r.Status.Done, runstate.Human(runstate.Took(r, now))))
	best := fmt.Sprintf("%s, epoch %d of %d", b.Trial, b.Epoch, trial.Epochs)
	if b.Provisional {
		best += " (so far: trials that may still win are running)"
	}
	facts.Row("Best", best)
	facts.Row("Why", b.Reason)
	if u := b.RunnerUp; u != nil {
		facts.Row("Runner-up", fmt.Sprintf("%s, AUC-PR %s at epoch %d", u.Trial, runstate.Number(u.AUCPR, 4), u.Epoch))
	}
	facts.Row("Checkpoint", b.Checkpoint.URI)
	facts.Row("Digest", b.Checkpoint.Digest)
	if e := cost.ExpenseOf(cost.OfRun(r, now)); e.Hours > 0 {
		spent := e.String()
		if lost := e.LostShare(); lost != "" {
			spent += ", " + lost + " of it lost to attempts that were repeated"
		}
		facts.Row("Cost", spent)
	}
	if y := cost.Yield(*b); y != "" {
		facts.Row("Yield", fmt.Sprintf("%s: %s after %s", y, b.Trial, cost.ExpenseOf(cost.Of(r, *trial, now))))
	}

	var figures table.Grid
	figures.Header("SPLIT", "AUC-PR", "95% INTERVAL", "BLIND", "F1", "PRECISION", "RECALL", "THRESHOLD", "SAMPLES")
	figures.Row(metricsRow("validation (selected on)", b.Metrics)...)
	if trial.Test != nil {
		figures.Row(metricsRow("test (scored once)", *trial.Test)...)
	}
	lines := facts.Lines()[1:] // its header is empty
	lines = append(append(lines, nil), figures.Lines()...)
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
	return []string{
		split, runstate.Number(m.AUCPR, 4), runstate.Interval(m, "-"), runstate.Number(m.Prevalence, 4),
		runstate.Number(m.F1, 4), runstate.Number(m.Precision, 4), runstate.Number(m.Recall, 4),
		runstate.Number(m.Threshold, 4), samples,
	}
}

// trialGrid is the table of all trials of a run. Of attempts it says how many, and how many of these were ended from
// outside.
func trialGrid(r *api.TrainingRun, now time.Time) []text.Line {
	all := cost.ExpenseOf(cost.OfRun(r, now))
	var t table.Grid
	t.Header("TRIAL", "PHASE", "EPOCH", "BEST", "95% INTERVAL", "AT", "TEST", "ATTEMPTS", "INTERRUPTED")
	if all.Hours > 0 {
		t.Header(strings.ToUpper(all.Unit)+"-H", "LOST")
	}
	for _, s := range r.Status.Trials {
		best, ci, at, test, attempts := "", "", "", "", ""
		if s.Best != nil {
			best, at = runstate.Number(s.Best.AUCPR, 4), fmt.Sprintf("@%d", s.Best.Epoch)
			ci = runstate.Interval(s.Best.Metrics, "-")
		}
		if s.Test != nil {
			test = runstate.Number(s.Test.AUCPR, 4)
		}
		if s.Attempt > 0 {
			attempts = strconv.Itoa(int(s.Attempt))
		}
		interrupted := ""
		if s.Interruptions > 0 {
			interrupted = strconv.Itoa(int(s.Interruptions))
		}
		epoch := fmt.Sprintf("%d/%d", s.Epoch, s.Epochs)
		row := []string{s.Name, string(s.Phase), epoch, best, ci, at, test, attempts, interrupted}
		if e := cost.ExpenseOf(cost.Of(r, s, now)); all.Hours > 0 {
			row = append(row, e.Amount(), e.LostShare())
		}
		t.Row(row...)
	}
	return t.Lines()
}

// What trials have to say, in columns and lines; the whole is in -o json and kubectl describe.
const (
	wordsWidth = 100
	wordsLines = 3
)

// trialWords are the sentences about trials: how they stand, what became of their attempts, what their cohort says.
func trialWords(r *api.TrainingRun, cut string) (lines []text.Line) {
	for _, t := range r.Status.Trials {
		message := ""
		if t.Phase != api.TrialSucceeded {
			message = text.Clean(t.Message)
		}
		for _, words := range []string{message, attemptWords(t), runstate.CohortWords(t)} {
			if words == "" {
				continue
			}
			for _, l := range text.Wrap(text.Clean(t.Name)+": "+words, wordsWidth, wordsLines, cut) {
				lines = append(lines, text.Line{text.Plain(l)})
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
	words := ""
	for i, a := range t.Attempts {
		if i > 0 {
			words += "; "
		}
		words += fmt.Sprintf("attempt %d", a.Number)
		if a.FromEpoch != nil && *a.FromEpoch > 0 {
			words += fmt.Sprintf(" from epoch %d", *a.FromEpoch)
		}
		if a.Class != "" {
			words += fmt.Sprintf(" %s at epoch %d", text.Clean(a.Class), a.Epoch)
		}
		var spent []string
		if a.GPUSeconds > 0 {
			spent = append(spent, runstate.Human(time.Duration(a.GPUSeconds)*time.Second)+" of GPU")
		}
		if a.LostSeconds != nil && *a.LostSeconds > 0 {
			spent = append(spent, runstate.Human(time.Duration(*a.LostSeconds)*time.Second)+" lost")
		}
		if len(spent) > 0 {
			words += " (" + strings.Join(spent, ", ") + ")"
		}
	}
	return words
}
