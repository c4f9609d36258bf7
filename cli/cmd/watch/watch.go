package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/follow"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
)

// Options holds the arguments and flags of `plumb watch`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Run  string
	Wait bool
}

// NewCmdWatch returns `plumb watch`. runF, if not nil, receives the options instead of runWatch.
func NewCmdWatch(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runWatch
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Follow a run until it ends",
		Long: `Follow a run until it ends.

On a terminal, plumb draws a table with one row for each trial and redraws it in place. Into a pipe or a file, it
prints one line for each change.

AUC-PR is the average precision on the validation split at the last epoch, and BEST the highest so far. INTERVAL is
the 95 % interval of BEST, and AT its epoch. The CURVE of each trial is its AUC-PR by epoch; all trials have the same
scale. S/EPOCH is how many seconds the last epoch took, and LEFT is how long the trial will still take. A star marks
the trial with the best checkpoint. The chance level is the AUC-PR of a model that has learned nothing, which equals
the share of defects.

The environment variable NO_COLOR turns colour off.

` + exitcode.Help,
		Example: `  # Follow the run "erasers" until it ends
  plumb watch erasers

  # Follow it even if it does not exist yet
  plumb watch erasers --wait

  # Keep a log with one line for each change
  plumb watch erasers | tee run.log

  # Promote the best checkpoint if the run succeeds
  plumb watch erasers && plumb promote erasers --model erasers`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Wait, "wait", false, "wait for the run to be created if it does not exist yet")
	return cmd
}

func runWatch(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sightings := make(chan follow.Sighting)
	failed := make(chan error, 1)
	key := types.NamespacedName{Namespace: namespace, Name: o.Run}
	go func() {
		failed <- follow.Object(ctx, cl, &api.TrainingRunList{}, key, func(s follow.Sighting) {
			select {
			case sightings <- s:
			case <-ctx.Done():
			}
		})
	}()

	d := newDisplay(o.IO, o.Run, o.Now)
	ended, err := o.untilEnded(sightings, failed, d)
	d.finish()
	switch {
	case errors.Is(err, errAbsent):
		return cluster.AbsentRun(ctx, cl, namespace, o.Run, ". To wait for a run that will be created: --wait")
	case err != nil:
		return fmt.Errorf("watch run %q in namespace %s: %w", o.Run, namespace, err)
	}
	return o.outcome(ended)
}

var (
	errAbsent  = errors.New("it does not exist")
	errDeleted = errors.New("it was deleted before it ended")
)

// untilEnded shows each sighting, and returns the run when it has ended. The channel failed receives the error with
// which the follower ends.
func (o *Options) untilEnded(
	sightings <-chan follow.Sighting, failed <-chan error, d display,
) (*api.TrainingRun, error) {
	for {
		select {
		case s := <-sightings:
			run, _ := s.Object.(*api.TrainingRun)
			if run == nil && s.Lost == nil && !o.Wait {
				return nil, errAbsent
			}
			d.show(s)
			if run == nil {
				continue
			}
			if over, _ := runstate.Ended(run); over {
				return run, nil
			}
			if s.Gone {
				return nil, errDeleted
			}
		case err := <-failed:
			return nil, err
		case <-d.ticks():
			d.redraw()
		}
	}
}

// outcome returns an error if the run failed, and prints the next step if it succeeded. The display has already shown
// why the run ended.
func (o *Options) outcome(r *api.TrainingRun) error {
	if _, succeeded := runstate.Ended(r); succeeded {
		fmt.Fprintf(o.IO.ErrOut, "Next: plumb best %s%s, then plumb promote %s%s --model NAME\n",
			r.Name, o.Cluster.NamespaceFlag(), r.Name, o.Cluster.NamespaceFlag())
		return nil
	}
	hint := ""
	for _, t := range r.Status.Trials {
		if t.Phase == api.TrialFailed && t.Pod != "" {
			hint = fmt.Sprintf("\nTo read the log of a trial that failed: plumb logs %s %s%s",
				r.Name, text.Clean(t.Name), o.Cluster.NamespaceFlag())
			break
		}
	}
	return fmt.Errorf("run %q failed%s", r.Name, hint)
}
