package ledger

import (
	"cmp"
	"maps"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// Ledger sums up the reports of one run. Fold adds a report, and View returns the sum. The result depends on the set of
// the folded reports alone: neither on their order nor, but for the count of duplicates, on how often each was folded.
// This holds because every field is a set, or a maximum under a total order. Keep it so when you add a field.
type Ledger struct {
	trials map[string]*trialLedger
}

// Effect says what the folding of one report changed. It is a label value of a metric.
type Effect string

// Effects, from nothing to what the operator should act on at once.
const (
	Duplicate Effect = "duplicate" // nothing: the same writer's report of that sequence was folded before
	Alive     Effect = "alive"     // nothing but the knowledge that the writer is alive
	Progress  Effect = "progress"  // an epoch that is not the new best
	Turn      Effect = "turn"      // a first report of an attempt, a new best or the end of a trial
)

// trialLedger sums up the reports of one trial, over all its writers.
type trialLedger struct {
	// writers holds the sequences that were read of each writer. A sequence that is missing below a writer's highest is
	// a gap.
	writers map[string]*spans
	// origins holds the sequences of each report's origin. A resuming writer repeats the reports of earlier writers
	// under its own sequences, and a repeated report must count once.
	origins  map[string]*spans
	epochs   map[int]ranked       // the newest attempt's report of each epoch
	best     *ranked              // the best epoch with a committed checkpoint
	finished *ranked              // the newest report that all epochs are done
	starts   map[int]attemptStart // by attempt
	newest   *ranked              // the newest attempt's latest report
	view     TrialReports         // the fields that are counts or plain maxima
}

// ranked is a report with its rank: attempt, writer and sequence decide between reports of the same thing. See after.
type ranked struct {
	attempt  int
	writer   string
	sequence int64
	report   wire.Report
}

// attemptStart says which epochs an attempt trained: those after from, up to epoch.
type attemptStart struct {
	reported bool // a report has named from
	from     int  // the last epoch of the checkpoint from which the attempt resumed; 0: it began from nothing
	epoch    int  // the last epoch that the attempt trained itself
}

// New returns an empty Ledger.
func New() *Ledger { return &Ledger{trials: map[string]*trialLedger{}} }

// View returns the sum of the reports, by trial.
func (l *Ledger) View() map[string]TrialReports {
	out := make(map[string]TrialReports, len(l.trials))
	for name, t := range l.trials {
		out[name] = t.summary()
	}
	return out
}

// maxWriters bounds how many writers of one trial the operator remembers. A run may ask for at most 901 attempts of a
// trial (the first, 100 retries and 800 interruptions). Each attempt has one writer, and another if somebody deletes
// its Job and the operator creates the Job again.
const maxWriters = 1024

// maxSpans bounds how many ranges of sequences the operator remembers of one writer. An honest writer needs few: NATS
// loses no report, and a resuming writer repeats old reports in order.
const maxSpans = 1024

// ExceedsBounds reports whether the ledger, to fold r, would have to remember more than maxWriters writers of a trial,
// or more than maxSpans ranges of one writer's sequences.
func (l *Ledger) ExceedsBounds(r wire.Report) bool {
	t := l.trials[r.Trial]
	return t != nil && (full(t.writers, own(r)) || full(t.origins, origin(r)))
}

// full reports whether there is no room in m for the sequence of a report.
func full(m map[string]*spans, o wire.Origin) bool {
	if s := m[o.Writer]; s != nil {
		return len(*s) >= maxSpans && !s.touches(o.Sequence)
	}
	return len(m) >= maxWriters
}

// own returns the writer and sequence of a report.
func own(r wire.Report) wire.Origin { return wire.Origin{Writer: r.Writer, Sequence: r.Sequence} }

// origin returns the writer and sequence of the report that r repeats, or its own if r repeats none.
func origin(r wire.Report) wire.Origin {
	if r.ComputedBy != nil {
		return *r.ComputedBy
	}
	return own(r)
}

// addTo adds the sequence of a report to m, and reports whether the sequence is new.
func addTo(m map[string]*spans, o wire.Origin) bool {
	s := m[o.Writer]
	if s == nil {
		s = &spans{}
		m[o.Writer] = s
	}
	return s.add(o.Sequence)
}

// Counts returns how many reports of a trial are known to be missing, and how many repeated another report.
func (l *Ledger) Counts(trial string) (gaps, duplicates int64) {
	t := l.trials[trial]
	if t == nil {
		return 0, 0
	}
	return t.gaps(), t.view.Duplicates
}

// Fold adds a report to the ledger and returns what changed. The report must be valid and belong to the run.
func (l *Ledger) Fold(r wire.Report) Effect {
	t := l.trials[r.Trial]
	if t == nil {
		t = &trialLedger{
			writers: map[string]*spans{},
			origins: map[string]*spans{},
			epochs:  map[int]ranked{},
			starts:  map[int]attemptStart{},
		}
		l.trials[r.Trial] = t
	}
	return t.fold(r)
}

// fold adds a report to the trial's ledger. See Ledger.Fold.
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
	r.Scores = nil // They are large, and only those of the best are used.
	x := ranked{r.Attempt, r.Writer, r.Sequence, r}
	if t.newest == nil || x.after(*t.newest) {
		t.newest = &x
	}
	// A report and its repetition by another writer count once: the one that is read second is the duplicate.
	repeated := !addTo(t.origins, origin(r))
	if repeated {
		t.view.Duplicates++
	} else {
		t.view.Folded++
	}
	t.foldAttempt(r)
	switch r.Kind {
	case wire.ReportEpoch:
		return t.foldEpoch(x, scores, repeated)
	case wire.ReportFinished:
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

// foldEpoch folds the report of an epoch. If several writers report the same epoch, the curve shows the newest
// attempt's report. The best is chosen among the reports of all writers.
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

// foldAttempt updates the epoch from which an attempt began, and the last epoch that the attempt trained itself.
func (t *trialLedger) foldAttempt(r wire.Report) {
	a := t.starts[r.Attempt]
	if r.Kind == wire.ReportStarted || r.Kind == wire.ReportResumed {
		a.reported, a.from = true, max(a.from, r.Epoch)
	}
	if r.ComputedBy == nil {
		a.epoch = max(a.epoch, r.Epoch)
	}
	t.starts[r.Attempt] = a
}

// foldProgress updates the trial's last finished epoch and its number of epochs.
func (t *trialLedger) foldProgress(r wire.Report) {
	t.view.Epoch = max(t.view.Epoch, r.Epoch)
	t.view.Epochs = max(t.view.Epochs, r.Epochs)
}

// after is the total order of reports of the same thing. The later attempt decides; writer and sequence only make the
// order total.
func (x ranked) after(y ranked) bool {
	return cmp.Or(
		cmp.Compare(x.attempt, y.attempt),
		cmp.Compare(x.writer, y.writer),
		cmp.Compare(x.sequence, y.sequence),
	) > 0
}

// beats orders committed checkpoints by wire.BetterEpoch. Of two checkpoints with the same epoch and value the later
// attempt's wins. If that attempt trained the epoch again, it had resumed from an earlier epoch, perhaps because the
// first checkpoint of this epoch was damaged. If instead it repeats the report of an earlier attempt, it has found that
// attempt's checkpoint intact.
func (x ranked) beats(y ranked) bool {
	a, b := x.value(), y.value()
	if wire.BetterEpoch(a, b) || wire.BetterEpoch(b, a) {
		return wire.BetterEpoch(a, b)
	}
	return x.after(y)
}

// value returns the epoch and its AUC-PR. The report must have metrics.
func (x ranked) value() wire.EpochValue {
	return wire.EpochValue{Epoch: x.report.Epoch, AUCPR: x.report.Metrics.AUCPR}
}

// measured returns the measurements of the report's epoch. The report must have metrics.
func (x ranked) measured() *Measured {
	r := x.report
	m := &Measured{
		Epoch:      r.Epoch,
		Metrics:    *r.Metrics,
		Checkpoint: r.Checkpoint,
		Digests:    r.Digests,
		Scores:     r.Scores,
	}
	if r.Throughput != nil {
		m.Seconds = r.Throughput.EpochSeconds
	}
	return m
}

// summary returns the sum of the trial's reports. Its curve has the epochs that have metrics, in order.
func (t *trialLedger) summary() TrialReports {
	v := t.view
	v.Finished = t.finished != nil
	v.Attempts = map[int]AttemptReports{}
	for n, a := range t.starts {
		if a.reported {
			v.Attempts[n] = AttemptReports{From: a.from, Epoch: a.epoch}
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

// gaps returns how many reports are missing below the highest sequences of all writers.
func (t *trialLedger) gaps() (n int64) {
	for _, w := range t.writers {
		n += w.gaps()
	}
	return n
}
