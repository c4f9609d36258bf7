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

// Options are what `plumb watch` was asked.
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
		Long: `Follow a run until it ends: one row per trial, drawn in place on a terminal, or a line per change in a pipe or a log.

AUC-PR and BEST are on the validation split, with the 95 % interval of the best; the curves of all trials share one scale, and the
star marks the best trial so far. NO_COLOR turns colour off.

` + exitcode.Help,
		Example: `  plumb watch erasers
  plumb watch erasers --wait          # it need not exist yet
  plumb watch erasers | tee run.log   # a line per change
  plumb watch erasers && plumb promote erasers --model erasers`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Wait, "wait", false, "wait for the run when it does not exist yet")
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
	last, err := o.untilOver(sightings, failed, d)
	d.finish()
	switch {
	case errors.Is(err, errAbsent):
		return cluster.AbsentRun(ctx, cl, namespace, o.Run, ". To wait for it: --wait")
	case err != nil:
		return fmt.Errorf("watch run %q in namespace %s: %w", o.Run, namespace, err)
	}
	return o.verdict(last)
}

var (
	errAbsent  = errors.New("it does not exist")
	errDeleted = errors.New("it was deleted before it ended")
)

// untilOver shows what comes, until the run is over.
func (o *Options) untilOver(
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
			d.again()
		}
	}
}

// verdict is the exit code's reason, and what to do next. The display has told the rest.
func (o *Options) verdict(r *api.TrainingRun) error {
	if _, succeeded := runstate.Ended(r); succeeded {
		fmt.Fprintf(o.IO.ErrOut, "Next: plumb best %s%s, then plumb promote %s%s --model NAME\n",
			r.Name, o.Cluster.NamespaceFlag(), r.Name, o.Cluster.NamespaceFlag())
		return nil
	}
	hint := ""
	for _, t := range r.Status.Trials {
		if t.Phase == api.TrialFailed && t.Pod != "" {
			hint = fmt.Sprintf("\nLook at its log: plumb logs %s %s%s",
				r.Name, text.Clean(t.Name), o.Cluster.NamespaceFlag())
			break
		}
	}
	return fmt.Errorf("run %q failed%s", r.Name, hint)
}
