package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// logsOptions are what `plumb logs` was asked.
type logsOptions struct {
	io      *ioStreams
	cluster *cluster

	name   string
	trial  string // "" for all
	follow bool
}

func newCmdLogs(f *factory, runF func(context.Context, *logsOptions) error) *cobra.Command {
	if runF == nil {
		runF = runLogs
	}
	o := &logsOptions{io: f.io, cluster: f.cluster}
	cmd := &cobra.Command{
		Use:   "logs RUN [TRIAL]",
		Short: "Print the log of a trial's newest pod, or of all trials' with their names before each line",
		Example: `  plumb logs erasers d50 -f
  plumb logs erasers`,
		Args:              arguments(1, "RUN", "TRIAL"),
		ValidArgsFunction: f.cluster.completion(proposeRuns, proposeTrials),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.name = args[0]; len(args) == 2 {
				o.trial = args[1]
			}
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on as the pod writes, until it ends")
	return cmd
}

func runLogs(ctx context.Context, o *logsOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if o.trial != "" {
		t := findTrial(r, o.trial)
		switch {
		case t == nil:
			return fmt.Errorf("run %q has no trial %q\nIts trials: %s", r.Name, o.trial, trialNames(r))
		case t.Pod == "":
			return fmt.Errorf("trial %s has no pod yet: it is %s\nFollow the run: plumb watch %s%s", t.Name, t.Phase, r.Name, o.cluster.inNamespace())
		}
		return o.podLog(ctx, r, *t, o.io.Out)
	}
	if !slices.ContainsFunc(r.Status.Trials, func(t api.TrialStatus) bool { return t.Pod != "" }) {
		return o.noPods(r)
	}
	return o.allLogs(ctx, r)
}

// noPods says how the run stands: without a word it would seem that the pods had written nothing.
func (o *logsOptions) noPods(r *api.TrainingRun) error {
	yet := " yet"
	if over, _ := ended(r); over {
		yet = ""
	}
	return fmt.Errorf("run %q has no pods%s: it is %s\nWhy: plumb watch %s%s", r.Name, yet, phaseOf(r), r.Name, o.cluster.inNamespace())
}

// allLogs prints every trial's log, line by line with the trial's name; one that cannot be read does not end the others.
func (o *logsOptions) allLogs(ctx context.Context, r *api.TrainingRun) error {
	var mu sync.Mutex
	var g errgroup.Group
	for _, t := range r.Status.Trials {
		if t.Pod == "" {
			continue
		}
		log, pipe := io.Pipe()
		g.Go(func() error {
			err := o.podLog(ctx, r, t, pipe)
			pipe.Close()
			if err != nil {
				fmt.Fprintln(o.io.ErrOut, explain(err, ""))
				return reported{err}
			}
			return nil
		})
		g.Go(func() error { return prefix(log, o.io.Out, pad(t.Name, 5, false), &mu) })
	}
	return g.Wait()
}

// prefix copies lines of any length from r to w, each whole.
func prefix(r *io.PipeReader, w io.Writer, name string, mu *sync.Mutex) error {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		l, err := lines.ReadString('\n')
		if l != "" {
			mu.Lock()
			_, werr := fmt.Fprintf(w, "%s %s\n", name, clean(l))
			mu.Unlock()
			if werr != nil {
				return werr
			}
		}
		if err != nil {
			return nil // the pipe's end: podLog says what went wrong
		}
	}
}

// podLog copies the log of a trial's newest pod to w.
func (o *logsOptions) podLog(ctx context.Context, r *api.TrainingRun, t api.TrialStatus, w io.Writer) error {
	log, err := o.cluster.openLog(ctx, r.Namespace, t.Pod, o.follow)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("pod %s of trial %s is gone, and its log with it\nWhat became of the trial: plumb watch %s%s", t.Pod, t.Name, r.Name, o.cluster.inNamespace())
	case err != nil:
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	defer log.Close()
	if _, err := io.Copy(w, log); err != nil {
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	return nil
}
