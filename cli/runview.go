package main

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// runView is one picture of a run on a terminal: what plumb watch draws again and again.
type runView struct {
	run    *api.TrainingRun
	now    time.Time
	seen   map[string]time.Time // when a trial's epoch was first seen: secondsLeft is counted down from there
	notice string               // of plumb itself, such as a lost connection
	width  int                  // columns
	height int                  // lines; 0: any
	style  style
}

const (
	failureLines = 3 // of a failed trial's message
	noteLines    = 1 // of any other trial's
)

// lines draws the view: the run, its best, one row per trial, then what needs words. Nothing is wider than the terminal; on a low
// one the words go first.
func (v runView) lines() []string {
	var all []line
	if v.run == nil { // not there yet
		all = v.wrapped(v.notice, yellow, failureLines)
	} else {
		all = append(all, v.title())
		if b := v.best(); b != nil {
			all = append(all, b)
		}
		all = append(append(all, nil), v.trials()...)
		if notes := v.notes(); len(notes) > 0 {
			all = append(append(all, nil), notes...)
		}
	}
	out := make([]string, 0, len(all))
	for _, l := range all {
		out = append(out, v.style.draw(l, v.width))
	}
	if v.height > 0 && len(out) > v.height {
		out = out[:v.height]
	}
	return out
}

// title is a line such as "erasers · Running · 2/5 trials ended · 17/40 epochs · 2m13s · 1.35 GPU-hours".
func (v runView) title() line {
	dot := " " + v.style.dot + " "
	phase := string(phaseOf(v.run))
	if v.run.DeletionTimestamp != nil {
		phase = "Being deleted"
	}
	l := line{painted(v.run.Name, bold), plain(dot), painted(phase, phasePaint(phase))}
	for _, part := range []string{
		suffixed(clean(v.run.Status.Done), " trials ended"),
		suffixed(clean(v.run.Status.Progress), " epochs"),
		human(took(v.run, v.now)),
		suffixed(v.runLeft(), " left"),
		expenseOf(costOfRun(v.run, v.now)).String(),
	} {
		if part != "" {
			l = append(l, plain(dot+part))
		}
	}
	return l
}

func suffixed(s, suffix string) string {
	if s == "" {
		return ""
	}
	return s + suffix
}

// runLeft is an estimate for the whole run: only while every trial that has not ended has one.
func (v runView) runLeft() string {
	longest := time.Duration(-1)
	for _, t := range v.run.Status.Trials {
		if t.Phase.Terminal() {
			continue
		}
		left, ok := v.left(t)
		if !ok {
			return ""
		}
		longest = max(longest, left)
	}
	if longest < 0 {
		return ""
	}
	return human(longest)
}

// left is how much time a trial still needs, by the operator's estimate of when its epoch ended.
func (v runView) left(t api.TrialStatus) (time.Duration, bool) {
	if t.SecondsLeft == nil || t.Phase != api.TrialRunning {
		return 0, false
	}
	left := time.Duration(*t.SecondsLeft) * time.Second
	if at, ok := v.seen[t.Name]; ok {
		left -= v.now.Sub(at)
	}
	return max(0, left), true
}

// best is a line such as "best so far: d50 at epoch 7, AUC-PR 0.8912 (blind: 0.30), runner-up d34 0.8870".
func (v runView) best() line {
	b := v.run.Status.Best
	if b == nil {
		return nil
	}
	name := "best: "
	if b.Provisional {
		name = "best so far: "
	}
	l := line{
		plain(name), painted(clean(b.Trial), bold),
		plain(fmt.Sprintf(" at epoch %d, AUC-PR ", b.Epoch)), painted(number(b.AUCPR, 4), bold),
	}
	if b.Prevalence != "" {
		l = append(l, plain(" (a blind model: "+number(b.Prevalence, 2)+")"))
	}
	if u := b.RunnerUp; u != nil {
		l = append(l, plain(fmt.Sprintf(", runner-up %s %s", clean(u.Trial), number(u.AUCPR, 4))))
	}
	return l
}

// trials is the table, one row per trial.
func (v runView) trials() []line {
	trials := v.run.Status.Trials
	if len(trials) == 0 {
		return []line{{painted("no trials yet", dim)}}
	}
	lo, hi := curveRange(trials)
	cols := []column{
		{title: "TRIAL"},
		{title: "PHASE"},
		{title: "EPOCH", rank: 1, right: true},
		{min: 6, max: 16, rank: 3, elastic: func(row, w int) span {
			t := trials[row]
			return painted(progress(v.style.glyphs, int(t.Epoch), int(t.Epochs), w), phasePaint(string(t.Phase)))
		}},
		{title: "AUC-PR", rank: 7, right: true},
		{title: "BEST", rank: 2, right: true},
		{title: "INTERVAL", rank: 6},
		{title: "AT", rank: 8, right: true},
		{title: "CURVE", min: 6, max: 24, rank: 4, elastic: func(row, w int) span {
			return painted(sparkline(v.style.glyphs, curve(trials[row]), lo, hi, w), cyan)
		}},
		{title: "S/EPOCH", rank: 9, right: true},
		{title: "LEFT", rank: 5, right: true},
	}
	for _, t := range trials {
		for i, cell := range v.row(t) {
			cols[i].cells = append(cols[i].cells, cell)
		}
	}
	return table(cols, len(trials), v.width)
}

// row is a trial's cells, in the order of the columns; those of elastic columns stay empty.
func (v runView) row(t api.TrialStatus) []span {
	name := plain("  " + clean(t.Name))
	if b := v.run.Status.Best; b != nil && b.Trial == t.Name {
		name = painted(v.style.best+" "+clean(t.Name), bold)
	}
	epoch, last, best, ci, at, pace, left := "-", "-", "-", "", "-", "-", "-"
	if t.Epochs > 0 {
		epoch = fmt.Sprintf("%d/%d", t.Epoch, t.Epochs)
	}
	if t.Last != nil {
		last = number(t.Last.AUCPR, 4)
	}
	if t.Best != nil {
		best, ci, at = number(t.Best.AUCPR, 4), interval(t.Best.Metrics, v.style.dash), fmt.Sprintf("@%d", t.Best.Epoch)
	}
	if d, ok := v.left(t); ok {
		left = human(d)
		if rest := t.Epochs - t.Epoch; rest > 0 { // the estimate is the last epoch's duration times what remains
			pace = fmt.Sprintf("%.1f", float64(*t.SecondsLeft)/float64(rest))
		}
	}
	phase := clean(string(t.Phase))
	return []span{
		name, painted(phase, phasePaint(phase)), plain(epoch), {}, plain(last), painted(best, bold),
		plain(ci), plain(at), {}, plain(pace), plain(left),
	}
}

// notes are the sentences: of the run's conditions, of the trials, and of plumb itself. Trials that say the same share a line.
func (v runView) notes() []line {
	var out []line
	add := func(s string, p paint, n int) { out = append(out, v.wrapped(s, p, n)...) }
	for _, n := range trialNotes(v.run.Status.Trials) {
		p, most := dim, noteLines
		if n.failed {
			p, most = red, failureLines
		}
		add(strings.Join(n.trials, ", ")+": "+n.text, p, most)
	}
	for _, t := range v.run.Status.Trials {
		if m := cohortWords(t); m != "" {
			add(clean(t.Name)+": "+m, dim, failureLines)
		}
	}
	conditions := v.run.Status.Conditions
	refused := conditionMessage(conditions, api.ConditionAdmitted, metav1.ConditionFalse)
	if refused != "" {
		add("not admitted: "+refused, red, failureLines)
	}
	if m := conditionMessage(conditions, api.ConditionMetricsHealthy, metav1.ConditionFalse); m != "" {
		add("reports: "+m, yellow, failureLines)
	}
	if m := conditionMessage(conditions, api.ConditionFailed, metav1.ConditionTrue); m != "" && !told(v.run.Status.Trials, m) {
		add("failed: "+m, red, failureLines)
	}
	if over, _ := ended(v.run); !over {
		if m := conditionMessage(conditions, api.ConditionRunning, metav1.ConditionFalse); m != "" && m != refused && !told(v.run.Status.Trials, m) {
			add("waiting: "+m, dim, noteLines)
		}
	}
	if v.notice != "" {
		add(v.notice, yellow, failureLines)
	}
	return out
}

// told says whether a trial's own sentence is what the run's message repeats.
func told(trials []api.TrialStatus, message string) bool {
	for _, t := range trials {
		if m := clean(t.Message); m != "" && strings.Contains(message, m) {
			return true
		}
	}
	return false
}

// wrapped is s in at most n lines.
func (v runView) wrapped(s string, p paint, n int) []line {
	var out []line
	for _, l := range wrap(s, v.width, n, v.style.cut) {
		out = append(out, line{painted(l, p)})
	}
	return out
}

// note is what one or several trials say.
type note struct {
	trials []string
	text   string
	failed bool
}

func trialNotes(trials []api.TrialStatus) []note {
	var notes []note
	for _, t := range trials {
		if t.Message == "" || t.Phase == api.TrialSucceeded {
			continue
		}
		n := note{trials: []string{clean(t.Name)}, text: clean(t.Message), failed: t.Phase == api.TrialFailed}
		if n.failed && t.Reason != "" {
			n.text = clean(t.Reason) + ": " + n.text
		}
		if t.Attempt > 1 {
			n.text = fmt.Sprintf("attempt %d: %s", t.Attempt, n.text)
		}
		same := -1
		for i := range notes {
			if notes[i].text == n.text && notes[i].failed == n.failed {
				same = i
			}
		}
		if same >= 0 {
			notes[same].trials = append(notes[same].trials, n.trials...)
			continue
		}
		notes = append(notes, n)
	}
	return notes
}

func phasePaint(phase string) paint {
	switch phase {
	case string(api.TrialSucceeded):
		return green
	case string(api.TrialFailed), "Being deleted":
		return red
	case string(api.TrialRunning):
		return cyan
	case string(api.TrialStopped), string(api.TrialStopping), string(api.RunSuspended):
		return yellow
	}
	return dim
}
