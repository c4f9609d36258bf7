package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"plumbline.dev/plumbline/test/drill/judge"
)

// runDrill trains one run undisturbed, then runs under faults on all clusters, and prints the sums.
func runDrill(ctx context.Context, c config) error {
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
	fmt.Fprintf(c.out, "seed %d: %d faults, %d to a run of %d trials and %d epochs; "+
		"%d clusters of two operators; ready after %.0f s\n",
		c.seed, c.faults, c.faultsPerRun, len(c.depths), c.epochs, len(clusters), time.Since(began).Seconds())
	calm, err := c.trainCalm(ctx, clusters[0])
	if err != nil {
		return err
	}
	total := &tally{}
	failures := make([]error, len(clusters))
	var working sync.WaitGroup
	for i, cl := range clusters {
		working.Go(func() { failures[i] = c.drillCluster(ctx, cl, calm, total) })
	}
	working.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for _, cl := range clusters {
		if n, err := cl.consumers(ctx); err != nil || n > 1 {
			total.violations = append(total.violations, judge.Violation{
				Kind: judge.Other,
				Text: fmt.Sprintf("the stream still has %d consumers, and one operator leads (%v)", n, err),
			})
		}
	}
	total.print(c, time.Since(began))
	if len(total.violations) > 0 {
		return violationsError(total.violations)
	}
	return nil
}

// violationsError is the error of a drill whose runs broke rules.
type violationsError []judge.Violation

func (e violationsError) Error() string {
	return fmt.Sprintf("%d violations, the first: %s", len(e), e[0])
}

// lines returns the violations, one a line.
func (e violationsError) lines() string {
	var b strings.Builder
	for _, v := range e {
		fmt.Fprintf(&b, "    %s\n", v)
	}
	return b.String()
}

// drillCluster drills runs on one cluster, one after the other, until all faults have been given out.
func (c config) drillCluster(ctx context.Context, cl *cluster, calm judge.History, total *tally) error {
	for {
		n, count := total.claim(c)
		if count == 0 {
			return nil
		}
		h, struck, violations, err := c.drillRun(ctx, cl, n, count, calm, total)
		file := filepath.Join(c.failures, fmt.Sprintf("seed-%d-run-%d.json", c.seed, n))
		if err != nil {
			if ctx.Err() == nil {
				fmt.Fprintf(c.out, "  drill-%d: %v\n", n, err)
				fmt.Fprintf(c.out, "  no more runs are drilled on this cluster; the history is kept in %s\n", file)
				err = errors.Join(err, keep(file, h, calm))
			}
			return err
		}
		total.addRun(h, count-struck, violations)
		if len(violations) == 0 {
			continue
		}
		if err := keep(file, h, calm); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "  VIOLATIONS (the history is kept in %s; --seed %d --run %d draws the same faults):\n%s",
			file, c.seed, n, violationsError(violations).lines())
	}
}

// trainCalm trains a run that no fault strikes. It is an error if that run breaks a rule.
func (c config) trainCalm(ctx context.Context, cl *cluster) (judge.History, error) {
	h, err := c.trainRun(ctx, cl, "calm", func(*target) error { return nil })
	if err != nil {
		return h, err
	}
	if v := judge.Validate(h, judge.History{}); len(v) > 0 {
		return h, fmt.Errorf("the undisturbed run broke a rule: %w", violationsError(v))
	}
	// A missing Event breaks no rule. So without any recorded Event the rules about Events would always hold. Check
	// here that Events are recorded.
	isStart := func(e judge.Event) bool { return e.Reason == "AttemptStarted" && e.Job != "" }
	if !slices.ContainsFunc(h.Events, isStart) {
		return h, fmt.Errorf("no event of the undisturbed run says that an attempt started: %+v", h.Events)
	}
	return h, nil
}

// strikeAfter is the longest time that the next fault waits for the reports after which it strikes. The limit lets
// faults strike also while no reports arrive, because an attempt waits for its retry or an operator for the lease.
const strikeAfter = 5 * time.Second

// drillRun trains run n while count faults strike it. It returns the run's history, how many faults struck before the
// run ended, and the rules that were broken.
func (c config) drillRun(
	ctx context.Context, cl *cluster, n, count int, calm judge.History, total *tally,
) (h judge.History, struck int, violations []judge.Violation, err error) {
	name := fmt.Sprintf("drill-%d", n)
	began := time.Now()
	h, err = c.trainRun(ctx, cl, name, func(t *target) error {
		for k := 0; struck < count; k++ {
			// Each draw has its own random numbers, so that it does not depend on whether the faults before it found
			// something to strike.
			t.dice = rand.New(rand.NewPCG(c.seed, uint64(n)<<32|uint64(k)))
			f, reports := draw(t.dice, c.kinds), 1+t.dice.IntN(3)
			before, _, _ := t.recorder.last()
			t.recorder.await(ctx, strikeAfter, func(s judge.Status) bool {
				return s.CompletionTime != "" || reportsSeen(s) >= reportsSeen(before)+reports
			})
			if s, _, _ := t.recorder.last(); s.CompletionTime != "" || ctx.Err() != nil {
				return ctx.Err()
			}
			done, err := f.strike(ctx, t)
			if errors.Is(err, errNothing) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			struck++
			number := total.addFault(f.name)
			fmt.Fprintf(c.out, "  %s %-8s %4d %s %s\n", clock(time.Now()), name, number, f.name, done)
		}
		return nil
	})
	if err != nil {
		return h, struck, nil, err
	}
	violations = judge.Validate(h, calm)
	fmt.Fprintf(c.out, "  %s: %d faults, %d pods, %d reports, %.0f s: %d violations\n",
		name, struck, len(h.Pods), len(h.Reports), time.Since(began).Seconds(), len(violations))
	return h, struck, violations, nil
}

// reportsSeen returns how many reports a status counts.
func reportsSeen(s judge.Status) (n int) {
	for _, t := range s.Trials {
		n += t.ReportsSeen
	}
	return n
}

// target is the run that faults strike.
type target struct {
	out      io.Writer
	cluster  *cluster
	recorder *recorder
	dice     *rand.Rand
	store    string         // directory of the checkpoint store
	damaged  []judge.Damage // checkpoints that faults have damaged
}

// trainRun applies a run, calls disturb, waits for the run's end, collects its history and deletes it with its
// checkpoints.
func (c config) trainRun(
	ctx context.Context, cl *cluster, name string, disturb func(*target) error,
) (judge.History, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	t := &target{out: c.out, cluster: cl, recorder: record(watching, cl, name), store: cl.volume("checkpoints")}
	if err := cl.apply(ctx, c.manifest(cl, name)); err != nil {
		return judge.History{}, err
	}
	disturbed := disturb(t)
	t.await(ctx, "has not ended", func(s judge.Status) bool { return s.CompletionTime != "" })
	h, err := t.recorder.history(ctx, t.store, t.damaged)
	if err := errors.Join(disturbed, err); err != nil {
		return h, err
	}
	h.Leftovers, err = cl.leftovers(ctx, name, h.UID)
	os.RemoveAll(filepath.Join(t.store, h.UID))
	return h, err
}

// stuckAfter is how long nothing may change before the drill calls it stuck. After the API server was away, client-go
// opens its watches again after a pause that grows up to a minute. Operators and Kubernetes' own controllers see
// nothing until then.
const stuckAfter = 3 * time.Minute

// await blocks until holds accepts the run's status, and reports whether it did. When the run is stuck, await prints
// its status, the Jobs and pods, and the end of the operators' logs. problem completes the sentence "the run ...".
func (t *target) await(ctx context.Context, problem string, holds func(judge.Status) bool) bool {
	ok := t.recorder.await(ctx, stuckAfter, holds)
	if ok || ctx.Err() != nil {
		return ok
	}
	s, _, _ := t.recorder.last()
	b, _ := json.MarshalIndent(s, "  ", " ")
	fmt.Fprintf(t.out, "  %s: nothing has changed for %s, and the run %s: %s\n",
		t.recorder.name, stuckAfter, problem, b)
	for _, args := range [][]string{
		{"get", "jobs,pods", "-A", "-o", "wide"},
		{"logs", "-n", operatorNamespace, "-l", operatorLabel, "--prefix", "--tail", "40"},
	} {
		text, err := t.cluster.kubectl(ctx, args...)
		fmt.Fprintln(t.out, text, err)
	}
	return false
}
