package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go/jetstream"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/failpoint"
	"plumbline.dev/plumbline/operator/metrics"
	"plumbline.dev/plumbline/operator/plan"
)

// Wake names a run whose reports have changed. Urgent ones turn what is decided; of the others a batch is enough.
type Wake struct {
	Run    types.NamespacedName
	Urgent bool
}

// Ingest holds the ledgers of all active runs. Its consumer, in consumer.go, fills them; the reconciler reads them.
type Ingest struct {
	options   Options
	log       logr.Logger
	wakes     chan event.TypedGenericEvent[Wake]
	done      <-chan struct{} // closed when nobody listens to wakes any more
	tried     chan struct{}   // closed once the first attempt to connect has succeeded or failed
	triedOnce sync.Once

	mu     sync.Mutex
	runs   map[types.UID]*trackedRun
	stream plan.Stream
	handle jetstream.Stream // of the stream that is read; nil before the first
}

// trackedRun is one active run.
type trackedRun struct {
	name     types.NamespacedName
	began    api.StreamPosition
	expected expected
	ledger   *Ledger
	whole    bool // no report of it was dropped from the stream before it was read

	heard   map[string]heard // by trial
	folded  int64
	unshown []unshown
}

// heard is when the stream got the latest report of a trial's newest attempt.
type heard struct {
	attempt int
	at      time.Time
}

// New makes an Ingest that reads nothing until it is started.
func New(o Options, log logr.Logger) *Ingest {
	g := &Ingest{options: o, log: log, runs: map[types.UID]*trackedRun{}, wakes: make(chan event.TypedGenericEvent[Wake]), tried: make(chan struct{})}
	g.stream.Problem = o.unreachable()
	return g
}

// Wakes tells which runs to look at again.
func (g *Ingest) Wakes() <-chan event.TypedGenericEvent[Wake] { return g.wakes }

// WaitForFirstTry blocks until this operator's first attempt to connect has succeeded or failed, so that no status
// reports an outage that nobody has checked.
func (g *Ingest) WaitForFirstTry(ctx context.Context) error {
	select {
	case <-g.tried:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a first look at the report stream: %w", ctx.Err())
	}
}

// Track starts or updates the record of which reports belong to a run, and forgets a run that has ended. The controller
// calls it before it creates an attempt's Job, so that no report of the attempt is refused.
func (g *Ingest) Track(run *api.TrainingRun) {
	if plan.Ended(run) {
		g.Forget(types.NamespacedName{Namespace: run.Namespace, Name: run.Name})
		return
	}
	if run.Status.Stream == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	name := types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
	f := g.runs[run.UID]
	if f == nil {
		g.forget(name) // an older run of the same name
		f = &trackedRun{
			name:   name,
			began:  *run.Status.Stream,
			ledger: NewLedger(),
			heard:  map[string]heard{},
			// A run that becomes known while the stream is read has just been admitted: nothing of it was read over.
			whole: run.Status.Stream.ID == g.stream.ID,
		}
		g.runs[run.UID] = f
	}
	f.expected = f.expected.merge(expect(run))
}

// Forget drops a run that has ended or is gone.
func (g *Ingest) Forget(run types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(run)
}

func (g *Ingest) forget(run types.NamespacedName) {
	maps.DeleteFunc(g.runs, func(_ types.UID, f *trackedRun) bool { return f.name == run })
}

// Stream says how reading goes.
func (g *Ingest) Stream() plan.Stream {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stream
}

// Reports is what was folded of a run so far.
func (g *Ingest) Reports(uid types.UID) plan.Reports {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.runs[uid]
	if f == nil {
		return plan.Reports{}
	}
	trials := f.ledger.View()
	for name, h := range f.heard {
		v := trials[name]
		v.Heard = h.at
		trials[name] = v
	}
	return plan.Reports{Trials: trials, Whole: f.whole}
}

// foldMessage folds one message of the stream. at is when the stream received the message; last: no later message
// waits.
func (g *Ingest) foldMessage(subject string, sequence int64, at time.Time, data []byte, last bool) {
	failpoint.Here("ingest.before")
	wakes := g.foldReport(subject, at, data)
	failpoint.Here("ingest.after")
	g.mu.Lock()
	if sequence > g.stream.Next { // what was between is gone, and whose it was nobody knows
		g.log.Info("the stream has dropped messages before they were read", "from", g.stream.Next, "to", sequence-1)
		g.markPartial(func(f *trackedRun) bool { return f.began.ID != g.stream.ID || f.began.Sequence < sequence })
	}
	g.stream.Next = sequence + 1
	caughtUp := last && !g.stream.Current
	if caughtUp {
		g.stream.Current = true
	}
	quiet := !g.stream.Current
	g.mu.Unlock()
	switch {
	case caughtUp:
		g.wakeAll()
	case wakes != nil && !quiet: // while the past is read again, a run is looked at once it is complete
		g.wake(*wakes)
	}
}

func (g *Ingest) foldReport(subject string, at time.Time, data []byte) *Wake {
	g.mu.Lock()
	defer g.mu.Unlock()
	uid := types.UID(runOf(subject))
	f := g.runs[uid]
	if f == nil {
		metrics.Refused.WithLabelValues(refusedRun).Inc()
		return nil
	}
	r, refused := decode(subject, data)
	if refused == "" {
		refused = f.expected.refuse(r)
	}
	if refused == "" && f.ledger.exceedsBounds(r) {
		refused = refusedWriter
	}
	if refused != "" {
		metrics.Refused.WithLabelValues(refused).Inc()
		g.log.V(1).Info("refused a report", "run", f.name, "subject", subject, "reason", refused)
		return nil
	}
	gaps, duplicates := f.ledger.counts(r.Trial)
	effect := f.ledger.Fold(r)
	gapsNow, duplicatesNow := f.ledger.counts(r.Trial)
	if h := f.heard[r.Trial]; r.Attempt > h.attempt || r.Attempt == h.attempt && at.After(h.at) {
		f.heard[r.Trial] = heard{r.Attempt, at}
	}
	metrics.Reports.WithLabelValues(string(r.Kind), string(effect)).Inc()
	metrics.Gaps.Add(float64(max(0, gapsNow-gaps)))
	metrics.Duplicates.Add(float64(duplicatesNow - duplicates))
	if effect == Duplicate || effect == Alive {
		return nil
	}
	f.awaitShown(r, g.stream.Current)
	return &Wake{Run: f.name, Urgent: effect == Turn}
}

// wakeAll has every active run looked at: the stream's state has changed, and each run's status says so.
func (g *Ingest) wakeAll() {
	for _, n := range g.names() {
		g.wake(Wake{Run: n, Urgent: true})
	}
}

func (g *Ingest) wake(w Wake) {
	select {
	case g.wakes <- event.TypedGenericEvent[Wake]{Object: w}:
	case <-g.done:
	}
}

func (g *Ingest) names() (names []types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.runs {
		names = append(names, f.name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return names
}
