package ingest

import (
	"cmp"
	"maps"
	"slices"

	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// Ledger folds the reports of one run. The order in which reports arrive, and how often, changes nothing but the count of
// duplicates: every field is a maximum under some total order, or a set.
type Ledger struct {
	trials map[string]*trialLedger
}

// Effect is what one report changed.
type Effect string

const (
	Nothing  Effect = "duplicate" // told before
	Seen     Effect = "alive"     // nothing but that the writer lives
	Progress Effect = "progress"  // an epoch
	Turn     Effect = "turn"      // a first report, a new best or an end: worth acting on at once
)

// trialLedger is what one trial's writers have told.
type trialLedger struct {
	writers map[string]*spans // own sequences
	told    map[string]*spans // the same by where they were first told: a resuming writer repeats others'
	epochs  map[int]told      // the newest attempt's word on each epoch
	best    *told
	done    *told         // the newest finished report
	begun   map[int]begun // by attempt
	newest  *told         // the newest attempt's latest report
	view    plan.TrialReports
}

// told is a report with the order that decides between reports of the same thing.
type told struct {
	attempt  int
	writer   string
	sequence int64
	report   wire.Report
}

// begun is where an attempt began, once it has told so, and how far it has come itself.
type begun struct {
	told        bool
	from, epoch int
}

// NewLedger is an empty one.
func NewLedger() *Ledger { return &Ledger{trials: map[string]*trialLedger{}} }

// View is what the plan reads of a trial.
func (l *Ledger) View() map[string]plan.TrialReports {
	out := make(map[string]plan.TrialReports, len(l.trials))
	for name, t := range l.trials {
		out[name] = t.read()
	}
	return out
}

// tooMany says whether a report would have the ledger remember more than a trial's reports can be about: one more writer, or one more
// hole in what a writer has told.
func (l *Ledger) tooMany(r wire.Report) bool {
	t := l.trials[r.Trial]
	return t != nil && (full(t.writers, own(r)) || full(t.told, origin(r)))
}

func full(m map[string]*spans, o wire.Origin) bool {
	if s := m[o.Writer]; s != nil {
		return len(*s) >= maxSpans && !s.touches(o.Sequence)
	}
	return len(m) >= maxWriters
}

// own is where a report is told, origin where it was first told.
func own(r wire.Report) wire.Origin { return wire.Origin{Writer: r.Writer, Sequence: r.Sequence} }

func origin(r wire.Report) wire.Origin {
	if r.ComputedBy != nil {
		return *r.ComputedBy
	}
	return own(r)
}

// put adds what was told and says whether it is new.
func put(m map[string]*spans, o wire.Origin) bool {
	s := m[o.Writer]
	if s == nil {
		s = &spans{}
		m[o.Writer] = s
	}
	return s.add(o.Sequence)
}

// counts are what is missing of a trial, and what came again.
func (l *Ledger) counts(trial string) (gaps, again int64) {
	t := l.trials[trial]
	if t == nil {
		return 0, 0
	}
	return t.gaps(), t.view.Duplicates
}

// Fold takes in one valid report that belongs to the run.
func (l *Ledger) Fold(r wire.Report) Effect {
	t := l.trials[r.Trial]
	if t == nil {
		t = &trialLedger{writers: map[string]*spans{}, told: map[string]*spans{}, epochs: map[int]told{}, begun: map[int]begun{}}
		l.trials[r.Trial] = t
	}
	return t.fold(r)
}

func (t *trialLedger) fold(r wire.Report) Effect {
	if !put(t.writers, own(r)) {
		t.view.Duplicates++
		return Nothing
	}
	effect := Seen
	if r.Attempt > t.view.Attempt {
		t.view.Attempt = r.Attempt
		effect = Turn
	}
	scores := r.Scores
	r.Scores = nil // large; only those of the best are of use
	x := told{r.Attempt, r.Writer, r.Sequence, r}
	if t.newest == nil || x.after(*t.newest) {
		t.newest = &x
	}
	// Of a report and its repetition by another writer, whichever is read second is the duplicate.
	again := !put(t.told, origin(r))
	if again {
		t.view.Duplicates++
	} else {
		t.view.Seen++
	}
	t.attempt(r)
	switch r.Kind {
	case wire.Epoch:
		return t.epoch(x, scores, again)
	case wire.Finished:
		first := t.done == nil
		if first || x.after(*t.done) {
			t.done = &x
		}
		t.reached(r)
		if first {
			return Turn
		}
	default:
		t.reached(r)
	}
	return effect
}

// epoch folds what an epoch was measured at. Of several reports of one epoch the newest attempt's counts for the curve; the
// best is the best of all of them, whoever wrote it.
func (t *trialLedger) epoch(x told, scores []wire.SampleScore, again bool) Effect {
	r := x.report
	t.reached(r)
	if was, ok := t.epochs[r.Epoch]; !ok || x.after(was) {
		t.epochs[r.Epoch] = x
	}
	if r.Metrics != nil && r.Checkpoint != nil && (t.best == nil || x.beats(*t.best)) {
		isNew := t.best == nil || !again
		x.report.Scores = scores
		t.best = &x
		if isNew {
			return Turn
		}
	}
	return Progress
}

// attempt notes where an attempt began and how far it has come itself.
func (t *trialLedger) attempt(r wire.Report) {
	a := t.begun[r.Attempt]
	if r.Kind == wire.Started || r.Kind == wire.Resumed {
		a.told, a.from = true, max(a.from, r.Epoch)
	}
	if r.ComputedBy == nil {
		a.epoch = max(a.epoch, r.Epoch)
	}
	t.begun[r.Attempt] = a
}

func (t *trialLedger) reached(r wire.Report) {
	t.view.Epoch = max(t.view.Epoch, r.Epoch)
	t.view.Epochs = max(t.view.Epochs, r.Epochs)
}

// after orders reports of the same thing: a later attempt's word counts, then any fixed order.
func (x told) after(y told) bool {
	return cmp.Or(cmp.Compare(x.attempt, y.attempt), cmp.Compare(x.writer, y.writer), cmp.Compare(x.sequence, y.sequence)) > 0
}

// beats orders committed checkpoints as wire has it. Two of the same epoch and value are equally good: the later attempt's counts. It
// wrote its own because it went on from before the other, and that may be because the other was damaged; where it repeats the other's,
// it has found that whole.
func (x told) beats(y told) bool {
	a, b := x.value(), y.value()
	if wire.BetterEpoch(a, b) || wire.BetterEpoch(b, a) {
		return wire.BetterEpoch(a, b)
	}
	return x.after(y)
}

func (x told) value() wire.EpochValue {
	return wire.EpochValue{Epoch: x.report.Epoch, Value: x.report.Metrics.AUCPR}
}

func (x told) measured() *plan.Measured {
	r := x.report
	m := &plan.Measured{Epoch: r.Epoch, Metrics: *r.Metrics, Checkpoint: r.Checkpoint, Digests: r.Digests, Scores: r.Scores}
	if r.Throughput != nil {
		m.Seconds = r.Throughput.EpochSeconds
	}
	return m
}

// read sums up. A best is told with its checkpoint; the curve has the measured epochs in order.
func (t *trialLedger) read() plan.TrialReports {
	v := t.view
	v.Finished = t.done != nil
	v.Attempts = map[int]plan.AttemptReports{}
	for n, a := range t.begun {
		if a.told {
			v.Attempts[n] = plan.AttemptReports{From: a.from, Epoch: a.epoch}
		}
	}
	if t.done != nil {
		v.Test = t.done.report.Test
	}
	if t.newest != nil {
		d := t.newest.report.Digests
		v.Digests = &d
	}
	if t.best != nil {
		v.Best = t.best.measured()
		d := t.best.report.Digests
		v.Digests = &d
	}
	for _, e := range slices.Sorted(maps.Keys(t.epochs)) {
		x := t.epochs[e]
		v.NotFinite = x.report.NotFinite
		if x.report.Metrics != nil {
			v.Last = x.measured()
			v.Curve = append(v.Curve, *v.Last)
		}
		if x.report.Throughput != nil {
			v.EpochSeconds = x.report.Throughput.EpochSeconds
		}
	}
	v.Gaps = t.gaps()
	return v
}

func (t *trialLedger) gaps() (n int64) {
	for _, w := range t.writers {
		n += w.gaps()
	}
	return n
}
