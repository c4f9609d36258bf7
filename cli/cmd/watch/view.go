package watch

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cost"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/table"
	"plumbline.dev/plumbline/cli/text"
)

// view is one picture of a run on a terminal: what plumb watch draws again and again.
type view struct {
	run    *api.TrainingRun
	now    time.Time
	seen   map[string]time.Time // when a trial's epoch was first seen: secondsLeft is counted down from there
	notice string               // of plumb itself, such as a lost connection
	width  int                  // columns
	height int                  // lines; 0: any
	style  text.Style
}

const (
	failureLines = 3 // of a failed trial's message
	noteLines    = 1 // of any other trial's
)

// lines draws the view: the run, its best, one row per trial, then what needs words. Nothing is wider than the
// terminal; on a low one the words go first.
func (v view) lines() []string {
	var all []text.Line
	if v.run == nil { // not there yet
		all = v.wrapped(v.notice, text.Yellow, failureLines)
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
		out = append(out, v.style.Draw(l, v.width))
	}
	if v.height > 0 && len(out) > v.height {
		out = out[:v.height]
	}
	return out
}

// title is a line such as "erasers · Running · 2/5 trials ended · 17/40 epochs · 2m13s · 1.35 GPU-hours".
func (v view) title() text.Line {
	dot := " " + v.style.Dot + " "
	phase := string(runstate.Phase(v.run))
	if v.run.DeletionTimestamp != nil {
		phase = "Being deleted"
	}
	l := text.Line{text.Painted(v.run.Name, text.Bold), text.Plain(dot), text.Painted(phase, phasePaint(phase))}
	for _, part := range []string{
		suffixed(text.Clean(v.run.Status.Done), " trials ended"),
		suffixed(text.Clean(v.run.Status.Progress), " epochs"),
		runstate.Human(runstate.Took(v.run, v.now)),
		suffixed(v.runLeft(), " left"),
		cost.ExpenseOf(cost.OfRun(v.run, v.now)).String(),
	} {
		if part != "" {
			l = append(l, text.Plain(dot+part))
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
func (v view) runLeft() string {
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
	return runstate.Human(longest)
}

// left is how much time a trial still needs, by the operator's estimate of when its epoch ended.
func (v view) left(t api.TrialStatus) (time.Duration, bool) {
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
func (v view) best() text.Line {
	b := v.run.Status.Best
	if b == nil {
		return nil
	}
	name := "best: "
	if b.Provisional {
		name = "best so far: "
	}
	l := text.Line{
		text.Plain(name), text.Painted(text.Clean(b.Trial), text.Bold),
		text.Plain(fmt.Sprintf(" at epoch %d, AUC-PR ", b.Epoch)), text.Painted(runstate.Number(b.AUCPR, 4), text.Bold),
	}
	if b.Prevalence != "" {
		l = append(l, text.Plain(" (a blind model: "+runstate.Number(b.Prevalence, 2)+")"))
	}
	if u := b.RunnerUp; u != nil {
		l = append(l, text.Plain(fmt.Sprintf(", runner-up %s %s", text.Clean(u.Trial), runstate.Number(u.AUCPR, 4))))
	}
	return l
}

// trials is the table, one row per trial.
func (v view) trials() []text.Line {
	trials := v.run.Status.Trials
	if len(trials) == 0 {
		return []text.Line{{text.Painted("no trials yet", text.Dim)}}
	}
	lo, hi := curveRange(trials)
	cols := []table.Column{
		{Title: "TRIAL"},
		{Title: "PHASE"},
		{Title: "EPOCH", Rank: 1, Right: true},
		{Min: 6, Max: 16, Rank: 3, Elastic: func(row, w int) text.Span {
			t := trials[row]
			return text.Painted(progress(v.style.Glyphs, int(t.Epoch), int(t.Epochs), w), phasePaint(string(t.Phase)))
		}},
		{Title: "AUC-PR", Rank: 7, Right: true},
		{Title: "BEST", Rank: 2, Right: true},
		{Title: "INTERVAL", Rank: 6},
		{Title: "AT", Rank: 8, Right: true},
		{Title: "CURVE", Min: 6, Max: 24, Rank: 4, Elastic: func(row, w int) text.Span {
			return text.Painted(sparkline(v.style.Glyphs, curve(trials[row]), lo, hi, w), text.Cyan)
		}},
		{Title: "S/EPOCH", Rank: 9, Right: true},
		{Title: "LEFT", Rank: 5, Right: true},
	}
	for _, t := range trials {
		for i, cell := range v.row(t) {
			cols[i].Cells = append(cols[i].Cells, cell)
		}
	}
	return table.Lines(cols, len(trials), v.width)
}

// row is a trial's cells, in the order of the columns; those of elastic columns stay empty.
func (v view) row(t api.TrialStatus) []text.Span {
	name := text.Plain("  " + text.Clean(t.Name))
	if b := v.run.Status.Best; b != nil && b.Trial == t.Name {
		name = text.Painted(v.style.Best+" "+text.Clean(t.Name), text.Bold)
	}
	epoch, last, best, ci, at, pace, left := "-", "-", "-", "", "-", "-", "-"
	if t.Epochs > 0 {
		epoch = fmt.Sprintf("%d/%d", t.Epoch, t.Epochs)
	}
	if t.Last != nil {
		last = runstate.Number(t.Last.AUCPR, 4)
	}
	if t.Best != nil {
		best, at = runstate.Number(t.Best.AUCPR, 4), fmt.Sprintf("@%d", t.Best.Epoch)
		ci = runstate.Interval(t.Best.Metrics, v.style.Dash)
	}
	if d, ok := v.left(t); ok {
		left = runstate.Human(d)
		if rest := t.Epochs - t.Epoch; rest > 0 { // the estimate is the last epoch's duration times what remains
			pace = fmt.Sprintf("%.1f", float64(*t.SecondsLeft)/float64(rest))
		}
	}
	phase := text.Clean(string(t.Phase))
	return []text.Span{
		name, text.Painted(phase, phasePaint(phase)), text.Plain(epoch), {},
		text.Plain(last), text.Painted(best, text.Bold),
		text.Plain(ci), text.Plain(at), {}, text.Plain(pace), text.Plain(left),
	}
}

// notes are the sentences: of the run's conditions, of the trials, and of plumb itself. Trials that say the same share
// a line.
func (v view) notes() []text.Line {
	var out []text.Line
	add := func(s string, p text.Paint, n int) { out = append(out, v.wrapped(s, p, n)...) }
	for _, n := range trialNotes(v.run.Status.Trials) {
		p, most := text.Dim, noteLines
		if n.failed {
			p, most = text.Red, failureLines
		}
		add(strings.Join(n.trials, ", ")+": "+n.text, p, most)
	}
	for _, t := range v.run.Status.Trials {
		if m := runstate.CohortWords(t); m != "" {
			add(text.Clean(t.Name)+": "+m, text.Dim, failureLines)
		}
	}
	conditions := v.run.Status.Conditions
	refused := runstate.ConditionMessage(conditions, api.ConditionAdmitted, metav1.ConditionFalse)
	if refused != "" {
		add("not admitted: "+refused, text.Red, failureLines)
	}
	if m := runstate.ConditionMessage(conditions, api.ConditionMetricsHealthy, metav1.ConditionFalse); m != "" {
		add("reports: "+m, text.Yellow, failureLines)
	}
	m := runstate.ConditionMessage(conditions, api.ConditionFailed, metav1.ConditionTrue)
	if m != "" && !told(v.run.Status.Trials, m) {
		add("failed: "+m, text.Red, failureLines)
	}
	if over, _ := runstate.Ended(v.run); !over {
		m := runstate.ConditionMessage(conditions, api.ConditionRunning, metav1.ConditionFalse)
		if m != "" && m != refused && !told(v.run.Status.Trials, m) {
			add("waiting: "+m, text.Dim, noteLines)
		}
	}
	if v.notice != "" {
		add(v.notice, text.Yellow, failureLines)
	}
	return out
}

// told says whether a trial's own sentence is what the run's message repeats.
func told(trials []api.TrialStatus, message string) bool {
	for _, t := range trials {
		if m := text.Clean(t.Message); m != "" && strings.Contains(message, m) {
			return true
		}
	}
	return false
}

// wrapped is s in at most n lines.
func (v view) wrapped(s string, p text.Paint, n int) []text.Line {
	var out []text.Line
	for _, l := range text.Wrap(s, v.width, n, v.style.Cut) {
		out = append(out, text.Line{text.Painted(l, p)})
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
		n := note{trials: []string{text.Clean(t.Name)}, text: text.Clean(t.Message), failed: t.Phase == api.TrialFailed}
		if n.failed && t.Reason != "" {
			n.text = text.Clean(t.Reason) + ": " + n.text
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

func phasePaint(phase string) text.Paint {
	switch phase {
	case string(api.TrialSucceeded):
		return text.Green
	case string(api.TrialFailed), "Being deleted":
		return text.Red
	case string(api.TrialRunning):
		return text.Cyan
	case string(api.TrialStopped), string(api.TrialStopping), string(api.RunSuspended):
		return text.Yellow
	}
	return text.Dim
}
