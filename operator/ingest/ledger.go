package ingest

import (
	"cmp"
	"maps"
	"slices"

	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// Ledger folds the reports of one run. The order in which reports arrive, and how often, changes nothing but the count
// of duplicates: every field is a maximum under some total order, or a set.
type Ledger struct {
	trials map[string]*trialLedger
}

// Effect is what one report changed.
type Effect string

const (
	Duplicate Effect = "duplicate" // folded before
	Alive     Effect = "alive"     // nothing but that the writer lives
	Progress  Effect = "progress"  // an epoch
	Turn      Effect = "turn"      // a first report, a new best or an end: worth acting on at once
)

// trialLedger folds the reports of one trial's writers.
type trialLedger struct {
	writers  map[string]*spans // sequences of each writer
	origins  map[string]*spans // sequences of the first writers: a resuming writer repeats the reports of others
	epochs   map[int]ranked    // the newest attempt's word on each epoch
	best     *ranked
	finished *ranked              // the newest finished report
	starts   map[int]attemptStart // by attempt
	newest   *ranked              // the newest attempt's latest report
	view     plan.TrialReports
}

// ranked is a report with the order that decides between reports of the same thing.
type ranked struct {
	attempt  int
	writer   string
	sequence int64
	report   wire.Report
}

// attemptStart is the epoch that an attempt began from, and the last epoch that it has trained itself.
type attemptStart struct {
	reported    bool // a report has named from
	from, epoch int
}

// NewLedger is an empty one.
func NewLedger() *Ledger { return &Ledger{trials: map[string]*trialLedger{}} }

// View is what the plan reads of a trial.
func (l *Ledger) View() map[string]plan.TrialReports {
	out := make(map[string]plan.TrialReports, len(l.trials))
	for name, t := range l.trials {
		out[name] = t.summary()
	}
	return out
}

// exceedsBounds reports whether the ledger would have to remember more than maxWriters writers of a trial, or more than
// maxSpans ranges of one writer's sequences.
func (l *Ledger) exceedsBounds(r wire.Report) bool {
	t := l.trials[r.Trial]
	return t != nil && (full(t.writers, own(r)) || full(t.origins, origin(r)))
}

func full(m map[string]*spans, o wire.Origin) bool {
	if s := m[o.Writer]; s != nil {
		return len(*s) >= maxSpans && !s.touches(o.Sequence)
	}
	return len(m) >= maxWriters
}

// own returns the writer and sequence of a report; origin returns those of the report that it repeats, if it repeats one.
func own(r wire.Report) wire.Origin { return wire.Origin{Writer: r.Writer, Sequence: r.Sequence} }

func origin(r wire.Report) wire.Origin {
	if r.ComputedBy != nil {
		return *r.ComputedBy
	}
	return own(r)
}

// addTo adds the sequence of a report, and reports whether it is new.
func addTo(m map[string]*spans, o wire.Origin) bool {
	s := m[o.Writer]
	if s == nil {
		s = &spans{}
		m[o.Writer] = s
	}
	return s.add(o.Sequence)
}

// counts returns how many reports of a trial are known to be missing, and how many came twice.
func (l *Ledger) counts(trial string) (gaps, duplicates int64) {
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
		t = &trialLedger{writers: map[string]*spans{}, origins: map[string]*spans{}, epochs: map[int]ranked{}, starts: map[int]attemptStart{}}
		l.trials[r.Trial] = t
	}
	return t.fold(r)
}

func (t *trialLedger) fold(r wire.Report) Effect {
	if !addTo(t.writers, own(r)) {
		t.view.Duplicates++
		return Duplicate
	}
	effect := Alive
	if r.Attempt > t.view.Attempt {
		t.view.Attempt = r.Attempt
		effect = Turn
	}
	scores := r.Scores
	r.Scores = nil // large; only those of the best are of use
	x := ranked{r.Attempt, r.Writer, r.Sequence, r}
	if t.newest == nil || x.after(*t.newest) {
		t.newest = &x
	}
	// Of a report and its repetition by another writer, whichever is read second is the duplicate.
	repeated := !addTo(t.origins, origin(r))
	if repeated {
		t.view.Duplicates++
	} else {
		t.view.Folded++
	}
	t.foldAttempt(r)
	switch r.Kind {
	case wire.Epoch:
		return t.foldEpoch(x, scores, repeated)
	case wire.Finished:
		first := t.finished == nil
		if first || x.after(*t.finished) {
			t.finished = &x
		}
		t.foldProgress(r)
		if first {
			return Turn
		}
	default:
		t.foldProgress(r)
	}
	return effect
}

// foldEpoch folds what an epoch was measured at. Of several reports of one epoch the newest attempt's counts for the
// curve; the best is the best of all of them, whoever wrote it.
func (t *trialLedger) foldEpoch(x ranked, scores []wire.SampleScore, repeated bool) Effect {
	r := x.report
	t.foldProgress(r)
	if was, ok := t.epochs[r.Epoch]; !ok || x.after(was) {
		t.epochs[r.Epoch] = x
	}
	if r.Metrics != nil && r.Checkpoint != nil && (t.best == nil || x.beats(*t.best)) {
		isNew := t.best == nil || !repeated
		x.report.Scores = scores
		t.best = &x
		if isNew {
			return Turn
		}
	}
	return Progress
}

// foldAttempt notes the epoch that an attempt began from, and the last epoch that it has trained itself.
func (t *trialLedger) foldAttempt(r wire.Report) {
	a := t.starts[r.Attempt]
	if r.Kind == wire.Started || r.Kind == wire.Resumed {
		a.reported, a.from = true, max(a.from, r.Epoch)
	}
	if r.ComputedBy == nil {
		a.epoch = max(a.epoch, r.Epoch)
	}
	t.starts[r.Attempt] = a
}

func (t *trialLedger) foldProgress(r wire.Report) {
	t.view.Epoch = max(t.view.Epoch, r.Epoch)
	t.view.Epochs = max(t.view.Epochs, r.Epochs)
}

// after orders reports of the same thing: a later attempt's word counts, then any fixed order.
func (x ranked) after(y ranked) bool {
	return cmp.Or(cmp.Compare(x.attempt, y.attempt), cmp.Compare(x.writer, y.writer), cmp.Compare(x.sequence, y.sequence)) > 0
}

// beats orders committed checkpoints as wire has it. Two of the same epoch and value are equally good: the later
// attempt's counts. It wrote its own because it went on from before the other, and that may be because the other was
// damaged; where it repeats the other's, it has found that whole.
func (x ranked) beats(y ranked) bool {
	a, b := x.value(), y.value()
	if wire.BetterEpoch(a, b) || wire.BetterEpoch(b, a) {
		return wire.BetterEpoch(a, b)
	}
	return x.after(y)
}

func (x ranked) value() wire.EpochValue {
	return wire.EpochValue{Epoch: x.report.Epoch, Value: x.report.Metrics.AUCPR}
}

func (x ranked) measured() *plan.Measured {
	r := x.report
	m := &plan.Measured{Epoch: r.Epoch, Metrics: *r.Metrics, Checkpoint: r.Checkpoint, Digests: r.Digests, Scores: r.Scores}
	if r.Throughput != nil {
		m.Seconds = r.Throughput.EpochSeconds
	}
	return m
}

// summary returns what the plan reads. The curve has the measured epochs in order.
func (t *trialLedger) summary() plan.TrialReports {
	v := t.view
	v.Finished = t.finished != nil
	v.Attempts = map[int]plan.AttemptReports{}
	for n, a := range t.starts {
		if a.reported {
			v.Attempts[n] = plan.AttemptReports{From: a.from, Epoch: a.epoch}
		}
	}
	if t.finished != nil {
		v.Test = t.finished.report.Test
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
