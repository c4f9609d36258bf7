package main

import (
	"context"
	"flag"
	"fmt"
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
)

// reporterImage is the local cluster's name for this program, which runs in the pods of scale.
const reporterImage = "plumbline.dev/reporter:dev"

// scale measures what the operator costs with many trials. Their pods run this program, which reports as a trainer does
// and trains nothing. Everything else is real.
func scale(ctx context.Context, c config, args []string) error {
	f := flag.NewFlagSet("scale", flag.ExitOnError)
	runs := f.Int("runs", 1, "number of runs, of five trials each")
	epochs := f.Int("epochs", 20, "number of epochs that each trial reports")
	period := f.Duration("period", 3*time.Second, "time from one epoch to the next")
	takeovers := f.Int("takeovers", 3, "how often the leading operator is killed while the runs run")
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
	if _, err := cl.localcluster(ctx, "image", reporterImage, self); err != nil {
		return err
	}
	progress := &progressLog{first: map[string]time.Time{}, epochs: map[string]int{}, ended: map[string]bool{}}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go follow(watching, cl, runList(), client.MatchingLabels{}, progress.add, nil)
	before, err := cl.writes(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range *runs {
		if err := cl.apply(ctx, reportingManifest(fmt.Sprintf("scale-%d", i+1), *epochs, *period)); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.out, "%d runs of 5 trials, an epoch every %s\n", *runs, *period)
	var took []float64
	for range *takeovers {
		pause(ctx, 15*time.Second) // until the takeover before is over and reports arrive evenly again
		d, err := cl.takeover(ctx, progress)
		if err != nil {
			return err
		}
		took = append(took, d.Seconds())
	}
	for !progress.allEnded(*runs) {
		if !pause(ctx, time.Second) {
			return ctx.Err()
		}
		if time.Since(began) > 30*time.Minute {
			return fmt.Errorf("the runs have not ended after 30 minutes")
		}
	}
	ended := time.Now()
	best, other, err := progress.lateness(ctx, cl)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d trials, %d epochs reported, all counted; %.0f s\n",
		5**runs, len(best)+len(other), ended.Sub(began).Seconds())
	for _, row := range []struct {
		name string
		late []float64
	}{{"a trial's new best:", best}, {"any other epoch:", other}} {
		fmt.Fprintf(c.out, "report written to status seen, %-19s p50 %.2f s, p99 %.2f s, at most %.2f s\n",
			row.name, quantile(row.late, 0.5), quantile(row.late, 0.99), quantile(row.late, 1))
	}
	after, err := cl.writes(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "writes to the API server a run, of %d epochs reported:\n", 5**epochs)
	for _, kind := range slices.Sorted(maps.Keys(after)) {
		if n := after[kind] - before[kind]; n > 0 {
			fmt.Fprintf(c.out, "  %7.1f  %s\n", n/float64(*runs), kind)
		}
	}
	if len(took) > 0 {
		fmt.Fprintf(c.out, "leader killed to the next status written: %.1f s (%.1f to %.1f of %d)\n",
			quantile(took, 0.5), quantile(took, 0), quantile(took, 1), len(took))
	}
	return nil
}

// quantile returns the value of v nearest to the quantile q, from 0 to 1, and NaN for no values. It sorts v.
func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	if len(v) == 0 {
		return math.NaN()
	}
	return v[int(math.Round(q*float64(len(v)-1)))]
}

// progressLog holds when each epoch of each trial was first seen in a status.
type progressLog struct {
	mu     sync.Mutex
	first  map[string]time.Time // by <uid of the run>/<trial>/<epoch>
	epochs map[string]int       // the highest epoch seen, by <uid of the run>/<trial>
	uids   []string             // of the runs
	ended  map[string]bool      // whether a run has ended, by uid
	newest time.Time            // when the newest status was seen
}

// add takes in a version of a run that a watch shows.
func (l *progressLog) add(o any, deleted bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok || deleted {
		return
	}
	s, err := decode[judge.Status](u.Object["status"])
	if err != nil {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	uid := string(u.GetUID())
	if !slices.Contains(l.uids, uid) {
		l.uids = append(l.uids, uid)
	}
	l.newest = now
	for _, t := range s.Trials {
		key := uid + "/" + t.Name
		for e := l.epochs[key] + 1; e <= t.Epoch; e++ {
			l.first[key+"/"+strconv.Itoa(e)] = now
		}
		l.epochs[key] = max(l.epochs[key], t.Epoch)
	}
	if s.CompletionTime != "" {
		l.ended[uid] = true
	}
}

func (l *progressLog) allEnded(runs int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ended) >= runs
}

// newestStatus returns when the newest status of any run was seen.
func (l *progressLog) newestStatus() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// lateness returns, for each epoch, the seconds from the time in its report to the first status that shows it. Both
// times are of one machine's clock. Epochs that were a trial's new best come apart: the operator shows them at once,
// and gathers others.
func (l *progressLog) lateness(ctx context.Context, cl *cluster) (best, other []float64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, uid := range l.uids {
		reports, err := readStream(ctx, cl, uid)
		if err != nil {
			return nil, nil, err
		}
		highest := map[string]float64{} // AUC-PR, by trial
		for _, r := range reports {
			if r.Kind != "epoch" {
				continue
			}
			at, ok := l.first[uid+"/"+r.Trial+"/"+strconv.Itoa(r.Epoch)]
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

// requestLine matches a line of the API server's own count of requests.
var requestLine = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (\S+)$`)

// writes returns the API server's own counts of requests, by verb and resource. It leaves out requests that change no
// object, and objects that no operator changes. The count does not say who sent a request: the garbage collector sends
// the deletions, and the scheduler and the Jobs' controller most events. Leases are left out, since an operator renews
// its lease whether it has work or not.
func (c *cluster) writes(ctx context.Context) (map[string]float64, error) {
	text, err := c.kubectl(ctx, "get", "--raw", "/metrics")
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		found := requestLine.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			continue
		}
		labels := map[string]string{}
		for pair := range strings.SplitSeq(found[1], ",") {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = strings.Trim(value, `"`)
		}
		resource := labels["resource"]
		if s := labels["subresource"]; s != "" {
			resource += "/" + s
		}
		switch labels["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		default:
			continue
		}
		switch resource {
		case "trainingruns/status", "jobs", "secrets", "events":
		default:
			continue
		}
		n, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			return nil, err
		}
		if code := labels["code"]; !strings.HasPrefix(code, "2") {
			resource += ", answered " + code
		}
		out[labels["verb"]+" "+resource] += n
	}
	return out, nil
}

// takeover kills the leading operator, waits for the next status that another operator writes, and returns how long
// that took.
func (c *cluster) takeover(ctx context.Context, progress *progressLog) (time.Duration, error) {
	pods, err := c.operatorPods(ctx)
	if err != nil {
		return 0, err
	}
	for _, pod := range pods {
		pids := c.processes("plumbline-operator", pod.uid)
		logs, err := c.kubectl(ctx, "logs", pod.name, "-n", operatorNamespace)
		if err != nil || len(pids) == 0 || !strings.Contains(logs, "uccessfully acquired lease") {
			continue
		}
		killed := time.Now()
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			return 0, err
		}
		pause(ctx, 300*time.Millisecond) // by then the watch has shown what the killed operator wrote
		before := progress.newestStatus()
		for ctx.Err() == nil {
			if newest := progress.newestStatus(); newest.After(before) {
				return newest.Sub(killed), c.replaceDeadOperators(ctx)
			}
			pause(ctx, 50*time.Millisecond)
		}
	}
	return 0, fmt.Errorf("no operator leads")
}
