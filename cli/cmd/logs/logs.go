package logs

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
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
)

// Options holds the arguments and flags of `plumb logs`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run    string
	Trial  string // "": all trials
	Follow bool
}

// NewCmdLogs returns `plumb logs`. runF, if not nil, receives the options instead of runLogs.
func NewCmdLogs(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runLogs
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "logs RUN [TRIAL]",
		Short: "Print the log of one trial, or of all trials of a run",
		Long: `Print the log of one trial, or of all trials of a run.

The log is that of the trial's newest pod. With all trials, each line begins with the trial's name. If a pod was
deleted, its log is gone, too.`,
		Example: `  # Print the log of trial d50, and continue until its pod ends
  plumb logs erasers d50 -f

  # Print the logs of all trials
  plumb logs erasers`,
		Args:              arguments.Between(1, "RUN", "TRIAL"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, cluster.ProposeTrials),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Run = args[0]; len(args) == 2 {
				o.Trial = args[1]
			}
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "continue to print what the pod writes, until the pod ends")
	return cmd
}

func runLogs(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	r, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	if o.Trial != "" {
		t := runstate.FindTrial(r, o.Trial)
		switch {
		case t == nil:
			return runstate.NoTrial(r, o.Trial)
		case t.Pod == "":
			return fmt.Errorf("trial %s has no pod yet: it is %s\nTo follow the run: plumb watch %s%s",
				t.Name, t.Phase, r.Name, o.Cluster.NamespaceFlag())
		}
		return o.podLog(ctx, r, *t, o.IO.Out)
	}
	if !slices.ContainsFunc(r.Status.Trials, func(t api.TrialStatus) bool { return t.Pod != "" }) {
		return o.noPods(r)
	}
	return o.allLogs(ctx, r)
}

// noPods returns the error for a run whose trials have no pods. Without this error, the empty output would look like
// pods that have written nothing.
func (o *Options) noPods(r *api.TrainingRun) error {
	yet := " yet"
	if over, _ := runstate.Ended(r); over {
		yet = ""
	}
	return fmt.Errorf("run %q has no pods%s: it is %s\nTo see why: plumb watch %s%s",
		r.Name, yet, runstate.Phase(r), r.Name, o.Cluster.NamespaceFlag())
}

// allLogs prints the logs of all trials, each line after its trial's name. If one log cannot be read, allLogs prints
// the others nevertheless and returns an error.
func (o *Options) allLogs(ctx context.Context, r *api.TrainingRun) error {
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
				fmt.Fprintln(o.IO.ErrOut, failure.Explain(err, ""))
				return failure.Reported(err)
			}
			return nil
		})
		g.Go(func() error { return prefix(log, o.IO.Out, text.Pad(t.Name, 5, false), &mu) })
	}
	return g.Wait()
}

// prefix copies lines of any length from r to w, each after name. mu makes sure that each line is written whole.
func prefix(r *io.PipeReader, w io.Writer, name string, mu *sync.Mutex) error {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		l, err := lines.ReadString('\n')
		if l != "" {
			mu.Lock()
			_, werr := fmt.Fprintf(w, "%s %s\n", name, text.Clean(l))
			mu.Unlock()
			if werr != nil {
				return werr
			}
		}
		if err != nil {
			return nil // the pipe has ended; podLog returns the error if there was one
		}
	}
}

// podLog copies the log of a trial's newest pod to w.
func (o *Options) podLog(ctx context.Context, r *api.TrainingRun, t api.TrialStatus, w io.Writer) error {
	log, err := o.Cluster.OpenLog(ctx, r.Namespace, t.Pod, o.Follow)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("pod %s of trial %s has no log: it was deleted, or its container has not started\n"+
			"To see what became of the trial: plumb watch %s%s",
			t.Pod, t.Name, r.Name, o.Cluster.NamespaceFlag())
	case err != nil:
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	defer log.Close()
	if _, err := io.Copy(w, log); err != nil {
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	return nil
}
