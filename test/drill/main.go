package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"plumbline.dev/plumbline/test/drill/judge"
)

// config is what a drill is asked to do.
type config struct {
	seed        uint64
	faults      int
	perRun      int // faults that strike one run
	only        int // the one run that is drilled; 0: all
	clusters    int
	among       []fault // the kinds that strike
	epochs      int
	depths      []any
	bin, root   string
	out         string // where histories that were not in order are kept
	say         io.Writer
	mistakesToo bool // go on after a run that was not in order
}

func main() {
	c := config{say: os.Stdout, depths: []any{18, 34}}
	flag.Uint64Var(&c.seed, "seed", 1, "draws the faults: of the same seed the same faults strike each run, in the same order")
	flag.IntVar(&c.faults, "faults", 200, "how many strike in all")
	flag.IntVar(&c.perRun, "per-run", 12, "how many strike one run")
	flag.IntVar(&c.clusters, "clusters", 1, "how many are struck at the same time, each with its own runs")
	flag.IntVar(&c.epochs, "epochs", 10, "of each trial")
	flag.IntVar(&c.only, "run", 0, "drill this run alone, with the faults that the seed draws for it; 0: all")
	only := flag.String("only", "", "kinds of faults, with commas between them; default: all")
	flag.StringVar(&c.bin, "bin", "bin/drill", "directory of the programs, built with the tag drill")
	flag.StringVar(&c.root, "root", ".", "the repository")
	flag.StringVar(&c.out, "out", "drill-failures", "where the history of a run that was not in order is kept")
	flag.BoolVar(&c.mistakesToo, "go-on", false, "go on after a run that was not in order")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "Kills things at random and proves that nothing is lost.\n\n  go run ./test/drill --seed 7 --faults 200\n  go run ./test/drill --seed 7 --run 3                     # the third run of that drill alone\n  go run ./test/drill judge drill-failures/seed-7-run-3.json\n  go run ./test/drill --faults 6 --epochs 6 mutants        # does the judge see what is wrong on purpose?\n  go run ./test/drill scale --runs 100                     # what the operator costs with 500 trials\n  go run ./test/drill outage --away 10m                    # does training notice that NATS is away?\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := c.check(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(2)
	}
	if c.among, err = kinds(strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(2)
	}
	for _, p := range []*string{&c.bin, &c.root, &c.out} {
		if absolute, err := filepath.Abs(*p); err == nil {
			*p = absolute
		}
	}
	log.SetLogger(logr.Discard()) // of the Kubernetes client
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch flag.Arg(0) {
	case "judge":
		os.Exit(judgeAgain(flag.Args()[1:]))
	case "run": // a pod of scale
		if err := report(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	drill := run
	switch flag.Arg(0) {
	case "mutants":
		drill = func(ctx context.Context, c config) error { return hunt(ctx, c, flag.Arg(1)) }
	case "outage":
		drill = func(ctx context.Context, c config) error { return outage(ctx, c, flag.Args()[1:]) }
	case "scale":
		drill = func(ctx context.Context, c config) error { return scale(ctx, c, flag.Args()[1:]) }
	}
	if err := drill(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// check refuses what no drill can be made of: one that tries nothing would end as if all were well.
func (c config) check(args []string) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch {
	case !slices.Contains([]string{"", "judge", "run", "mutants", "outage", "scale"}, command):
		return fmt.Errorf("there is no command %q: --help names them", command)
	case command == "judge" && len(args) == 1:
		return errors.New("judge needs the files of histories, which a drill keeps in --out")
	case command == "mutants" && len(args) > 1 && !slices.ContainsFunc(mutants, func(m mutant) bool { return strings.Contains(m.name, args[1]) }):
		return fmt.Errorf("no fault that is put into the operator has %q in its name: test/drill/mutants.go has them", args[1])
	case c.faults < 1 || c.perRun < 1 || c.clusters < 1 || c.epochs < 1:
		return errors.New("--faults, --per-run, --clusters and --epochs must be at least 1")
	case c.only < 0:
		return errors.New("--run is the number of a run, from 1; 0 drills all")
	}
	return nil
}

// judgeAgain validates histories that were kept.
func judgeAgain(files []string) (code int) {
	for _, f := range files {
		var kept struct{ Drilled, Calm judge.History }
		b, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(b, &kept)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "drill: %v\nA history is what a drill keeps in --out when a run was not in order.\n", err)
			return 2
		}
		for _, v := range judge.Validate(kept.Drilled, kept.Calm) {
			fmt.Println(f+":", v)
			code = 1
		}
	}
	return code
}

// drill is one run under faults.
type drill struct {
	say      io.Writer
	cluster  *cluster
	recorder *recorder
	dice     *rand.Rand
	store    string
	damaged  []judge.Damage
}

func run(ctx context.Context, c config) error {
	began := time.Now()
	var clusters []*cluster
	for range c.clusters {
		cl, err := c.open(ctx)
		if err != nil {
			return err
		}
		defer cl.stop()
		if err := cl.synth(ctx, 48); err != nil {
			return err
		}
		clusters = append(clusters, cl)
	}
	fmt.Fprintf(c.say, "seed %d: %d faults, %d to a run of %d trials and %d epochs; %d clusters of two operators; ready after %.0f s\n",
		c.seed, c.faults, c.perRun, len(c.depths), c.epochs, len(clusters), time.Since(began).Seconds())
	calm, err := c.calm(ctx, clusters[0])
	if err != nil {
		return err
	}
	total := &tally{}
	failures := make([]error, len(clusters))
	var working sync.WaitGroup
	for i, cl := range clusters {
		working.Go(func() { failures[i] = c.strikeOn(ctx, cl, calm, total) })
	}
	working.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, cl := range clusters {
		if left, err := cl.consumers(ctx); err != nil || left > 1 {
			total.violations = append(total.violations, judge.Violation{Kind: judge.Other, Text: fmt.Sprintf("%d consumers of the stream are left, and one operator leads (%v)", left, err)})
		}
	}
	total.print(c, time.Since(began))
	if len(total.violations) > 0 {
		return outOfOrder(total.violations)
	}
	return nil
}

// outOfOrder is what the judge found.
type outOfOrder []judge.Violation

func (o outOfOrder) Error() string { return fmt.Sprintf("%d violations, the first: %s", len(o), o[0]) }

// lines are the violations as a person reads them.
func (o outOfOrder) lines() string {
	var b strings.Builder
	for _, v := range o {
		fmt.Fprintf(&b, "    %s\n", v)
	}
	return b.String()
}

// strikeOn has runs on one cluster, one after the other, until all faults have been claimed.
func (c config) strikeOn(ctx context.Context, cl *cluster, calm judge.History, total *tally) error {
	for {
		n, count := total.claim(c)
		if count == 0 {
			return nil
		}
		h, struck, violations, err := c.drilled(ctx, cl, n, count, calm, total)
		kept := filepath.Join(c.out, fmt.Sprintf("seed-%d-run-%d.json", c.seed, n))
		if err != nil {
			if ctx.Err() == nil {
				fmt.Fprintf(c.say, "  drill-%d: %v\n  this cluster strikes no more; what was seen is kept as %s\n", n, err, kept)
				err = errors.Join(err, keep(kept, h, calm))
			}
			return err
		}
		total.judged(h, count-struck, violations)
		if len(violations) == 0 {
			continue
		}
		if err := keep(kept, h, calm); err != nil {
			return err
		}
		fmt.Fprintf(c.say, "  NOT IN ORDER (kept as %s; --seed %d --run %d draws the same faults):\n%s", kept, c.seed, n, outOfOrder(violations).lines())
	}
}

func keep(file string, h, calm judge.History) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(map[string]judge.History{"drilled": h, "calm": calm}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// calm trains undisturbed, and is judged as the others are.
func (c config) calm(ctx context.Context, cl *cluster) (judge.History, error) {
	h, err := c.one(ctx, cl, "calm", func(*drill) error { return nil })
	if err != nil {
		return h, err
	}
	if v := judge.Validate(h, judge.History{}); len(v) > 0 {
		return h, fmt.Errorf("the undisturbed run is not in order: %w", outOfOrder(v))
	}
	// Nothing is judged by an event that is missing, so that there are any to be judged must be seen here.
	if !slices.ContainsFunc(h.Events, func(e judge.Event) bool { return e.Reason == "AttemptStarted" && e.Job != "" }) {
		return h, fmt.Errorf("no event of the undisturbed run says that an attempt started: %+v", h.Events)
	}
	return h, nil
}

// patience is how long the next fault waits at most for the reports that it is to strike after: an attempt that waits for its retry, or
// an operator that waits for the lease, is a moment to strike at as well.
const patience = 5 * time.Second

// drilled trains while faults strike.
func (c config) drilled(ctx context.Context, cl *cluster, n, count int, calm judge.History, total *tally) (judge.History, int, []judge.Violation, error) {
	name := fmt.Sprintf("drill-%d", n)
	began := time.Now()
	struck := 0
	h, err := c.one(ctx, cl, name, func(d *drill) error {
		for k := 0; struck < count; k++ {
			d.dice = rand.New(rand.NewPCG(c.seed, uint64(n)<<32|uint64(k))) // the same, whatever moments the faults before it found
			f, reports := draw(d.dice, c.among), 1+d.dice.IntN(3)
			before, _, _ := d.recorder.last()
			d.recorder.await(ctx, patience, func(s judge.Status) bool { return s.CompletionTime != "" || seen(s) >= seen(before)+reports })
			if s, _, _ := d.recorder.last(); s.CompletionTime != "" || ctx.Err() != nil {
				return ctx.Err()
			}
			what, err := f.strike(ctx, d)
			if errors.Is(err, errNothing) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			struck++
			fmt.Fprintf(c.say, "  %s %-8s %4d %s %s\n", clock(time.Now()), name, total.add(f.name), f.name, what)
		}
		return nil
	})
	if err != nil {
		return h, struck, nil, err
	}
	violations := judge.Validate(h, calm)
	fmt.Fprintf(c.say, "  %s: %d faults, %d pods, %d reports, %.0f s: %d violations\n", name, struck, len(h.Pods), len(h.Reports), time.Since(began).Seconds(), len(violations))
	return h, struck, violations, nil
}

func seen(s judge.Status) (n int) {
	for _, t := range s.Trials {
		n += t.ReportsSeen
	}
	return n
}

// one applies a run, lets disturb have its way, waits for the end, gathers the history and deletes everything.
func (c config) one(ctx context.Context, cl *cluster, name string, disturb func(*drill) error) (judge.History, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	d := &drill{say: c.say, cluster: cl, recorder: record(watching, cl, name), store: cl.volume("checkpoints")}
	if err := cl.apply(ctx, c.manifest(cl, name)); err != nil {
		return judge.History{}, err
	}
	disturbed := disturb(d)
	d.await(ctx, "has not ended", func(s judge.Status) bool { return s.CompletionTime != "" })
	h, err := d.recorder.history(ctx, d.store, d.damaged)
	if err := errors.Join(disturbed, err); err != nil {
		return h, err
	}
	h.Leftovers, err = cl.leftovers(ctx, name, h.UID)
	os.RemoveAll(filepath.Join(d.store, h.UID))
	return h, err
}

// unchanged is how long something may stand still before it counts as stuck. After the API server was away, client-go asks for its watches
// again after a pause that grows up to a minute; operators and Kubernetes' own controllers see nothing until then.
const unchanged = 3 * time.Minute

// await waits until the run's status is as asked for, or is stuck: it shows then what a person would look at.
func (d *drill) await(ctx context.Context, not string, holds func(judge.Status) bool) bool {
	ok := d.recorder.await(ctx, unchanged, holds)
	if !ok && ctx.Err() == nil {
		s, _, _ := d.recorder.last()
		b, _ := json.MarshalIndent(s, "  ", " ")
		fmt.Fprintf(d.say, "  %s: nothing has changed for %s, and the run %s: %s\n", d.recorder.name, unchanged, not, b)
		for _, args := range [][]string{
			{"get", "jobs,pods", "-A", "-o", "wide"},
			{"logs", "-n", "plumbline-system", "-l", "app.kubernetes.io/name=plumbline-operator", "--prefix", "--tail", "40"},
		} {
			out, err := d.cluster.kubectl(ctx, args...)
			fmt.Fprintln(d.say, out, err)
		}
	}
	return ok
}

// manifest is the run: small, with averages, augmentation, and a checkpoint after every epoch.
func (c config) manifest(cl *cluster, name string) map[string]any {
	type object = map[string]any
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "TrainingRun", "metadata": object{"name": name, "namespace": namespace},
		"spec": object{
			"depths":          c.depths,
			"dataset":         object{"uri": "file:///data/toy", "split": object{"test": "0.25", "validation": "0.25"}},
			"hyperparameters": object{"ema": "0", "epochs": c.epochs, "batchSize": 8, "imageSize": 32, "learningRate": "0.001", "warmupEpochs": 1},
			"checkpoint":      object{"uri": "file:///checkpoints"},
			"failurePolicy":   object{"maxRetries": 100, "maxInterruptions": 800},
			"nodeLossSeconds": 5,
			"template": object{
				"image": "plumbline.dev/trainer:dev", "imagePullPolicy": "Never",
				"env":       []any{object{"name": "DRILL_FAILPOINTS", "value": cl.failpoints()}},
				"resources": object{"requests": object{"cpu": "1", "memory": "256Mi", "nvidia.com/gpu": "1"}, "limits": object{"nvidia.com/gpu": "1"}},
				"volumes": []any{
					object{"name": "data", "persistentVolumeClaim": object{"claimName": "data"}},
					object{"name": "checkpoints", "persistentVolumeClaim": object{"claimName": "checkpoints"}},
				},
				"volumeMounts": []any{
					object{"name": "data", "mountPath": "/data", "readOnly": true},
					object{"name": "checkpoints", "mountPath": "/checkpoints"},
				},
			},
		},
	}
}

// leftovers deletes the run and says what is still there after a while.
func (c *cluster) leftovers(ctx context.Context, name, uid string) ([]string, error) {
	if err := c.insist(ctx, func() error {
		_, err := c.kubectl(ctx, "delete", "trainingrun", name, "-n", namespace, "--wait", "--ignore-not-found")
		return err
	}); err != nil {
		return nil, err
	}
	var left []string
	for range int(unchanged / time.Second) {
		out, err := c.kubectl(ctx, "get", "jobs,pods,secrets", "-n", namespace, "-l", "plumbline.dev/run-uid="+uid, "-o", "name")
		if left = strings.Fields(out); err == nil && len(left) == 0 {
			break
		}
		if !pause(ctx, time.Second) {
			return left, ctx.Err()
		}
	}
	return left, nil
}

// consumers counts those of the report stream, after the server has had time to forget the ones of operators that were killed.
func (c *cluster) consumers(ctx context.Context) (left int, err error) {
	for range 60 {
		s, done, err := stream(ctx, c)
		if err != nil {
			return 0, err
		}
		info, err := s.Info(ctx)
		done()
		if err != nil {
			return 0, err
		}
		if left = info.State.Consumers; left <= 1 {
			break
		}
		if !pause(ctx, time.Second) {
			return left, ctx.Err()
		}
	}
	return left, nil
}

// tally sums up over all clusters.
type tally struct {
	mu                          sync.Mutex
	begun, claimed              int // runs, and the faults that are theirs
	faults, runs, pods, reports int
	kinds                       map[string]int
	violations                  []judge.Violation
	repeats                     judge.Repeats
}

// claim gives out the next run and how many faults are to strike it; none: all are given out, or something was not in order.
func (t *tally) claim(c config) (run, count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.violations) > 0 && !c.mistakesToo {
		return 0, 0
	}
	if c.only > 0 && t.begun > 0 { // it has been given out
		return 0, 0
	}
	t.begun = max(t.begun, c.only-1)
	count = min(c.perRun, c.faults-t.claimed)
	t.begun++
	t.claimed += count
	return t.begun, count
}

func (t *tally) add(kind string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kinds == nil {
		t.kinds = map[string]int{}
	}
	t.kinds[kind]++
	t.faults++
	return t.faults
}

// judged takes in what was seen of a run, and takes back the faults that found no moment to strike before it ended.
func (t *tally) judged(h judge.History, unused int, violations []judge.Violation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed -= unused
	t.violations = append(t.violations, violations...)
	t.runs++
	t.pods += len(h.Pods)
	t.reports += len(h.Reports)
	n := judge.Repeated(h)
	t.repeats = judge.Repeats{
		Saved: t.repeats.Saved + n.Saved, SavedEpochs: t.repeats.SavedEpochs + n.SavedEpochs,
		Killed: t.repeats.Killed + n.Killed, KilledEpochs: t.repeats.KilledEpochs + n.KilledEpochs,
	}
}

// print ends with what the drill was for.
func (t *tally) print(c config, took time.Duration) {
	fmt.Fprintf(c.say, "seed %d: %d faults in %d runs, %d pods, %d reports, %.0f s: %d violations\n", c.seed, t.faults, t.runs, t.pods, t.reports, took.Seconds(), len(t.violations))
	for _, f := range faults {
		if n := t.kinds[f.name]; n > 0 {
			fmt.Fprintf(c.say, "  %4d  %s\n", n, f.name)
		}
	}
	fmt.Fprintf(c.say, "trained again: %d epochs of %d attempts that were asked to end and saved themselves, %d of %d that were killed\n",
		t.repeats.SavedEpochs, t.repeats.Saved, t.repeats.KilledEpochs, t.repeats.Killed)
	fmt.Fprintf(c.say, "%d faults: %s\n", t.faults, figures(t.violations))
}

// figures count the violations of each kind.
func figures(violations []judge.Violation) string {
	var all []string
	for _, k := range judge.Kinds {
		n := 0
		for _, v := range violations {
			if v.Kind == k {
				n++
			}
		}
		all = append(all, fmt.Sprintf("%d %s", n, k))
	}
	return strings.Join(all, ", ")
}
