package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/test/drill/judge"
	"plumbline.dev/plumbline/trainer/outbox"
	"plumbline.dev/plumbline/wire"
)

// scale measures what the operator costs with many trials: their pods run this program, which reports as a trainer does and trains
// nothing. Everything else is real.
func scale(ctx context.Context, c config, args []string) error {
	f := flag.NewFlagSet("scale", flag.ExitOnError)
	runs := f.Int("runs", 1, "how many, of five trials each")
	epochs := f.Int("epochs", 20, "that each trial reports")
	period := f.Duration("period", 3*time.Second, "from one to the next")
	takeovers := f.Int("takeovers", 3, "how often the leading operator is killed while they run")
	_ = f.Parse(args)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cl, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer cl.stop()
	if _, err := cl.localcluster(ctx, "image", "plumbline.dev/reporter:dev", self); err != nil {
		return err
	}
	m := &measured{first: map[string]time.Time{}, progress: map[string]int{}, ended: map[string]bool{}}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go follow(watching, cl, runList(), client.MatchingLabels{}, m.see, nil)
	before, err := cl.writes(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range *runs {
		if err := cl.apply(ctx, reporting(fmt.Sprintf("scale-%d", i+1), *epochs, *period)); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.say, "%d runs of 5 trials, an epoch every %s\n", *runs, *period)
	var took []float64
	for range *takeovers {
		pause(ctx, 15*time.Second) // so that the one before is over and reports arrive evenly
		d, err := cl.takeover(ctx, m)
		if err != nil {
			return err
		}
		took = append(took, d.Seconds())
	}
	for !m.allEnded(*runs) {
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
		if time.Since(began) > 30*time.Minute {
			return fmt.Errorf("the runs have not ended after 30 minutes")
		}
	}
	ended := time.Now()
	best, other, err := m.lateness(ctx, cl)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.say, "%d trials, %d epochs reported, all counted; %.0f s\n", 5**runs, len(best)+len(other), ended.Sub(began).Seconds())
	say := func(what string, late []float64) {
		fmt.Fprintf(c.say, "report written to status seen, %-19s p50 %.2f s, p99 %.2f s, at most %.2f s\n", what, quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1))
	}
	say("a trial's new best:", best)
	say("any other epoch:", other)
	after, err := cl.writes(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.say, "writes to the API server a run, of %d epochs reported:\n", 5**epochs)
	for _, what := range slices.Sorted(maps.Keys(after)) {
		if n := after[what] - before[what]; n > 0 {
			fmt.Fprintf(c.say, "  %7.1f  %s\n", n/float64(*runs), what)
		}
	}
	if len(took) > 0 {
		fmt.Fprintf(c.say, "leader killed to the next status written: %.1f s (%.1f to %.1f of %d)\n", quantile(took, 0.5), quantile(took, 0), quantile(took, 1), len(took))
	}
	return nil
}

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	if len(v) == 0 {
		return math.NaN()
	}
	return v[int(math.Round(q*float64(len(v)-1)))]
}

// measured is when each epoch of each trial was first seen in a status.
type measured struct {
	mu       sync.Mutex
	first    map[string]time.Time // uid/trial/epoch
	progress map[string]int       // uid/trial
	uids     []string
	ended    map[string]bool // by uid
	newest   time.Time
}

func (m *measured) see(o any, gone bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok || gone {
		return
	}
	s, err := decode[judge.Status](u.Object["status"])
	if err != nil {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	uid := string(u.GetUID())
	if !slices.Contains(m.uids, uid) {
		m.uids = append(m.uids, uid)
	}
	m.newest = now
	for _, t := range s.Trials {
		key := uid + "/" + t.Name
		for e := m.progress[key] + 1; e <= t.Epoch; e++ {
			m.first[key+"/"+strconv.Itoa(e)] = now
		}
		m.progress[key] = max(m.progress[key], t.Epoch)
	}
	if s.CompletionTime != "" {
		m.ended[uid] = true
	}
}

func (m *measured) allEnded(runs int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ended) >= runs
}

// lateness compares the time in each epoch's report with when a status first showed it. One machine, one clock.
// The trial's new bests are apart: they are shown at once, others are gathered.
func (m *measured) lateness(ctx context.Context, cl *cluster) (best, other []float64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, uid := range m.uids {
		reports, err := readStream(ctx, cl, uid)
		if err != nil {
			return nil, nil, err
		}
		highest := map[string]float64{}
		for _, r := range reports {
			if r.Kind != "epoch" {
				continue
			}
			at, ok := m.first[uid+"/"+r.Trial+"/"+strconv.Itoa(r.Epoch)]
			if !ok {
				return nil, nil, fmt.Errorf("epoch %d of %s of run %s is in no status", r.Epoch, r.Trial, uid)
			}
			if late := at.Sub(r.Time).Seconds(); r.Metrics.AUCPR > highest[r.Trial] {
				highest[r.Trial] = r.Metrics.AUCPR
				best = append(best, late)
			} else {
				other = append(other, late)
			}
		}
	}
	return best, other, nil
}

// request is a line of the API server's own count of requests.
var request = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (\S+)$`)

// writes is how many requests the API server has counted that change what an operator changes, by verb and resource. It does not
// know who asked: what deletes is the garbage collector, and most events are of the scheduler and of the Jobs' controller. Leases are
// left out: they are written by the clock.
func (c *cluster) writes(ctx context.Context) (map[string]float64, error) {
	text, err := c.kubectl(ctx, "get", "--raw", "/metrics")
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		found := request.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			continue
		}
		labels := map[string]string{}
		for pair := range strings.SplitSeq(found[1], ",") {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = strings.Trim(value, `"`)
		}
		what := labels["resource"]
		if s := labels["subresource"]; s != "" {
			what += "/" + s
		}
		switch labels["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		default:
			continue
		}
		switch what {
		case "trainingruns/status", "jobs", "secrets", "events":
		default:
			continue
		}
		n, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			return nil, err
		}
		if code := labels["code"]; !strings.HasPrefix(code, "2") {
			what += ", answered " + code
		}
		out[labels["verb"]+" "+what] += n
	}
	return out, nil
}

// takeover kills the leading operator and waits for the next status.
func (c *cluster) takeover(ctx context.Context, m *measured) (time.Duration, error) {
	out, err := c.kubectl(ctx, "get", "pods", "-n", "plumbline-system", "-l", "app.kubernetes.io/name=plumbline-operator", "-o", `jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{"\n"}{end}`)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		name, uid, _ := strings.Cut(strings.TrimSpace(line), " ")
		pids := c.processes("plumbline-operator", uid)
		logs, err := c.kubectl(ctx, "logs", name, "-n", "plumbline-system")
		if err != nil || len(pids) == 0 || !strings.Contains(logs, "uccessfully acquired lease") {
			continue
		}
		killed := time.Now()
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			return 0, err
		}
		pause(ctx, 300*time.Millisecond) // what it had written is seen by then
		m.mu.Lock()
		before := m.newest
		m.mu.Unlock()
		for ctx.Err() == nil {
			m.mu.Lock()
			newest := m.newest
			m.mu.Unlock()
			if newest.After(before) {
				return newest.Sub(killed), c.replaceDeadOperators(ctx)
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
	return 0, fmt.Errorf("no operator leads")
}

func reporting(name string, epochs int, period time.Duration) map[string]any {
	type object = map[string]any
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "TrainingRun", "metadata": object{"name": name, "namespace": namespace},
		"spec": object{
			"dataset":         object{"uri": "file:///data/none"},
			"hyperparameters": object{"epochs": epochs, "warmupEpochs": 0},
			"checkpoint":      object{"uri": "file:///checkpoints"},
			"template": object{
				"image": "plumbline.dev/reporter:dev", "imagePullPolicy": "Never",
				"env":       []any{object{"name": "REPORT_EVERY", "value": period.String()}},
				"resources": object{"requests": object{"cpu": "1m", "memory": "1Mi"}},
			},
		},
	}
}

// report is what a pod of scale does: what a trainer tells, without training.
func report(ctx context.Context) error {
	t, err := wire.DecodeTrial([]byte(os.Getenv(wire.EnvTrial)))
	if err != nil {
		return err
	}
	period, err := time.ParseDuration(os.Getenv("REPORT_EVERY"))
	if err != nil {
		return err
	}
	spool, err := outbox.NewSpool(t.Scratch)
	if err != nil {
		return err
	}
	p := outbox.Start(outbox.Config{Reports: t.Reports, RunUID: t.Run.UID, Log: slog.Default(), Ack: outbox.DefaultAck, Backoff: outbox.DefaultBackoff, Longest: outbox.DefaultLongest}, spool)
	defer p.Close()
	sequence := int64(0)
	tell := func(kind wire.ReportKind, epoch int, metrics *wire.Metrics) error {
		sequence++
		r := wire.Report{
			Version: wire.Version, Kind: kind, RunUID: t.Run.UID, Trial: t.Name, Depth: t.Depth, Attempt: t.Attempt, Writer: t.Writer(os.Getenv(wire.EnvPodUID)),
			Sequence: sequence, Time: time.Now().UTC(), Epoch: epoch, Epochs: t.Hyperparameters.Epochs, Metrics: metrics,
			Throughput: &wire.Throughput{ImagesPerSecond: 1, EpochSeconds: period.Seconds()},
		}
		if metrics != nil {
			r.Checkpoint = &wire.CheckpointRef{URI: fmt.Sprintf("file:///none/%s/e%d", t.Name, epoch), Digest: "sha256:" + strings.Repeat("0", 64)}
		}
		return spool.Append(r)
	}
	if err := tell(wire.Started, 0, nil); err != nil {
		return err
	}
	for e := 1; e <= t.Hyperparameters.Epochs; e++ {
		if !pause(ctx, period) {
			os.Exit(wire.ExitInterrupted)
		}
		v := 1 - 1/float64(e+1)
		if e%3 != 1 { // two of three epochs are no new best
			v /= 2
		}
		if err := tell(wire.Epoch, e, &wire.Metrics{AUCPR: v, AUCPRLow: v, AUCPRHigh: v, Samples: 1}); err != nil {
			return err
		}
	}
	if err := tell(wire.Finished, t.Hyperparameters.Epochs, nil); err != nil {
		return err
	}
	b, err := json.Marshal(wire.Result{Reason: "Succeeded"})
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.Result, b, 0o644); err != nil {
		return err
	}
	return p.Drain(ctx)
}
