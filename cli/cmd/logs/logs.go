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

// Options are what `plumb logs` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run    string
	Trial  string // "" for all
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
		Short: "Print the log of a trial's newest pod, or of all trials' with their names before each line",
		Example: `  plumb logs erasers d50 -f
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
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on as the pod writes, until it ends")
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
			return fmt.Errorf("trial %s has no pod yet: it is %s\nFollow the run: plumb watch %s%s",
				t.Name, t.Phase, r.Name, o.Cluster.NamespaceFlag())
		}
		return o.podLog(ctx, r, *t, o.IO.Out)
	}
	if !slices.ContainsFunc(r.Status.Trials, func(t api.TrialStatus) bool { return t.Pod != "" }) {
		return o.noPods(r)
	}
	return o.allLogs(ctx, r)
}

// noPods says how the run stands: without a word it would seem that the pods had written nothing.
func (o *Options) noPods(r *api.TrainingRun) error {
	yet := " yet"
	if over, _ := runstate.Ended(r); over {
		yet = ""
	}
	return fmt.Errorf("run %q has no pods%s: it is %s\nWhy: plumb watch %s%s",
		r.Name, yet, runstate.Phase(r), r.Name, o.Cluster.NamespaceFlag())
}

// allLogs prints every trial's log, line by line with the trial's name; one that cannot be read does not end the
// others.
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

// prefix copies lines of any length from r to w, each whole.
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
			return nil // the pipe's end: podLog says what went wrong
		}
	}
}

// podLog copies the log of a trial's newest pod to w.
func (o *Options) podLog(ctx context.Context, r *api.TrainingRun, t api.TrialStatus, w io.Writer) error {
	log, err := o.Cluster.OpenLog(ctx, r.Namespace, t.Pod, o.Follow)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("pod %s of trial %s is gone, and its log with it\nWhat became of the trial: plumb watch %s%s",
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
