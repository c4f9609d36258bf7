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
	"plumbline.dev/plumbline/operator/ledger"
	"plumbline.dev/plumbline/operator/metrics"
)

// Wake asks for a reconcile of a run, because its reports or the stream's state have changed. An urgent one should be
// served at once; the others may be gathered.
type Wake struct {
	Run    types.NamespacedName
	Urgent bool
}

// Ingest holds the ledgers of all active runs. The consumer, in consumer.go, fills them. The reconciler reads them.
type Ingest struct {
	options   Options
	log       logr.Logger
	wakes     chan event.TypedGenericEvent[Wake]
	done      <-chan struct{} // closed when nobody receives from wakes any more
	tried     chan struct{}   // closed once the first attempt to connect has succeeded or failed
	triedOnce sync.Once

	mu     sync.Mutex
	runs   map[types.UID]*trackedRun
	stream ledger.Stream
	handle jetstream.Stream // of the stream that is read; nil before the first connection
}

// trackedRun is one active run.
type trackedRun struct {
	name     types.NamespacedName
	began    api.StreamPosition // where the stream was when the run was admitted: its reports come after
	expected expected
	ledger   *ledger.Ledger
	whole    bool // the stream dropped no report of the run before it was read

	latest map[string]arrival // of the reports of each trial

	folded  int64           // see FoldedSoFar
	unshown []unshownReport // in the order in which they were folded
}

// arrival is the time at which the stream received the latest report of a trial's newest attempt.
type arrival struct {
	attempt int
	at      time.Time
}

// New returns an Ingest that reads nothing until Start is called.
func New(o Options, log logr.Logger) *Ingest {
	g := &Ingest{
		options: o,
		log:     log,
		runs:    map[types.UID]*trackedRun{},
		wakes:   make(chan event.TypedGenericEvent[Wake]),
		tried:   make(chan struct{}),
	}
	g.stream.Problem = o.unreachable()
	return g
}

// Wakes returns the channel on which Ingest asks for reconciles.
func (g *Ingest) Wakes() <-chan event.TypedGenericEvent[Wake] { return g.wakes }

// WaitForFirstTry blocks until this operator's first attempt to connect has succeeded or failed, so that no status
// reports an outage that nobody has checked.
func (g *Ingest) WaitForFirstTry(ctx context.Context) error {
	select {
	case <-g.tried:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the first connection to the report stream: %w", ctx.Err())
	}
}

// Track records which reports belong to a run: those of the trials and attempts in its status. The first call for a run
// starts an empty ledger. Track ignores a run whose status names no position in the stream yet, and calls Forget for a
// run that has ended. The reconciler calls Track with the written status before it creates an attempt's Job, so that no
// report of the attempt is refused.
func (g *Ingest) Track(run *api.TrainingRun) {
	if run.Status.CompletionTime != nil {
		g.Forget(types.NamespacedName{Namespace: run.Namespace, Name: run.Name})
		return
	}
	if run.Status.Stream == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	name := types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
	t := g.runs[run.UID]
	if t == nil {
		g.forget(name) // an older run of the same name
		t = &trackedRun{
			name:   name,
			began:  *run.Status.Stream,
			ledger: ledger.New(),
			latest: map[string]arrival{},
			// A run that becomes known while the stream is read has just been admitted, so none of its reports was
			// refused as a report of an unknown run.
			whole: run.Status.Stream.ID == g.stream.ID,
		}
		g.runs[run.UID] = t
	}
	t.expected = t.expected.merge(expect(run))
}

// Forget drops the ledger of a run that has ended or was deleted. Reports of the run are refused from now on.
func (g *Ingest) Forget(run types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(run)
}

func (g *Ingest) forget(run types.NamespacedName) {
	maps.DeleteFunc(g.runs, func(_ types.UID, t *trackedRun) bool { return t.name == run })
}

// Stream returns the state of the stream and of its reading.
func (g *Ingest) Stream() ledger.Stream {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stream
}

// Reports returns the folded reports of a run. Drained is not set: see the method Drained.
func (g *Ingest) Reports(uid types.UID) ledger.Reports {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.runs[uid]
	if t == nil {
		return ledger.Reports{}
	}
	trials := t.ledger.View()
	for name, latest := range t.latest {
		v := trials[name]
		v.Heard = latest.at
		trials[name] = v
	}
	return ledger.Reports{Trials: trials, Whole: t.whole}
}

// foldMessage folds one message of the stream, and wakes the reconciler if the message changed something. at is the
// time at which the stream received the message. last reports that no later message waits in the stream.
func (g *Ingest) foldMessage(subject string, sequence int64, at time.Time, data []byte, last bool) {
	failpoint.Here("ingest.before")
	wakes := g.foldReport(subject, at, data)
	failpoint.Here("ingest.after")
	g.mu.Lock()
	if sequence > g.stream.Next { // The messages between are gone, and they may be of any run that was active then.
		g.log.Info("the stream has dropped messages before they were read", "from", g.stream.Next, "to", sequence-1)
		g.markPartial(func(t *trackedRun) bool { return t.began.ID != g.stream.ID || t.began.Sequence < sequence })
	}
	g.stream.Next = sequence + 1
	caughtUp := last && !g.stream.Current
	if caughtUp {
		g.stream.Current = true
	}
	current := g.stream.Current
	g.mu.Unlock()
	switch {
	case caughtUp:
		g.wakeAll()
	case wakes != nil && current: // Until then old reports are read again, and one reconcile after the last is enough.
		g.wake(*wakes)
	}
}

// foldReport folds a report into its run's ledger, or refuses it. It returns the wake that the report asks for, or nil.
func (g *Ingest) foldReport(subject string, at time.Time, data []byte) *Wake {
	g.mu.Lock()
	defer g.mu.Unlock()
	uid := types.UID(runOf(subject))
	t := g.runs[uid]
	if t == nil {
		metrics.Refused.WithLabelValues(refusedRun).Inc()
		return nil
	}
	r, refused := decode(subject, data)
	if refused == "" {
		refused = t.expected.refuse(r)
	}
	if refused == "" && t.ledger.ExceedsBounds(r) {
		refused = refusedWriter
	}
	if refused != "" {
		metrics.Refused.WithLabelValues(refused).Inc()
		g.log.V(1).Info("refused a report", "run", t.name, "subject", subject, "reason", refused)
		return nil
	}
	gaps, duplicates := t.ledger.Counts(r.Trial)
	effect := t.ledger.Fold(r)
	gapsNow, duplicatesNow := t.ledger.Counts(r.Trial)
	if a := t.latest[r.Trial]; r.Attempt > a.attempt || r.Attempt == a.attempt && at.After(a.at) {
		t.latest[r.Trial] = arrival{r.Attempt, at}
	}
	metrics.Reports.WithLabelValues(string(r.Kind), string(effect)).Inc()
	metrics.Gaps.Add(float64(max(0, gapsNow-gaps)))
	metrics.Duplicates.Add(float64(duplicatesNow - duplicates))
	if effect == ledger.Duplicate || effect == ledger.Alive {
		return nil
	}
	t.awaitShown(r, g.stream.Current)
	return &Wake{Run: t.name, Urgent: effect == ledger.Turn}
}

// wakeAll asks for a reconcile of every active run, because the status of each run shows the state of the stream.
func (g *Ingest) wakeAll() {
	for _, n := range g.names() {
		g.wake(Wake{Run: n, Urgent: true})
	}
}

// wake blocks until the reconciler has received w, or nobody receives any more.
func (g *Ingest) wake(w Wake) {
	select {
	case g.wakes <- event.TypedGenericEvent[Wake]{Object: w}:
	case <-g.done:
	}
}

// names returns the names of all active runs, sorted.
func (g *Ingest) names() (names []types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.runs {
		names = append(names, t.name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return names
}
