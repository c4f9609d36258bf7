package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// watchOptions are what `plumb watch` was asked.
type watchOptions struct {
	io      *ioStreams
	cluster *cluster
	now     func() time.Time

	name string
	wait bool
}

func newCmdWatch(f *factory, runF func(context.Context, *watchOptions) error) *cobra.Command {
	if runF == nil {
		runF = runWatch
	}
	o := &watchOptions{io: f.io, cluster: f.cluster, now: f.now}
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Follow a run until it ends",
		Long: `Follow a run until it ends: one row per trial, drawn in place on a terminal, or a line per change in a pipe or a log.

AUC-PR and BEST are on the validation split, with the 95 % interval of the best; the curves of all trials share one scale, and the
star marks the best trial so far. NO_COLOR turns colour off.

` + exitHelp,
		Example: `  plumb watch erasers
  plumb watch erasers --wait          # it need not exist yet
  plumb watch erasers | tee run.log   # a line per change
  plumb watch erasers && plumb promote erasers --model erasers`,
		Args:              arguments(1, "RUN"),
		ValidArgsFunction: f.cluster.completion(proposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait for the run when it does not exist yet")
	return cmd
}

func runWatch(ctx context.Context, o *watchOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sightings := make(chan sighting)
	failed := make(chan error, 1)
	go func() {
		failed <- follow(ctx, cl, &api.TrainingRunList{}, types.NamespacedName{Namespace: namespace, Name: o.name}, func(s sighting) {
			select {
			case sightings <- s:
			case <-ctx.Done():
			}
		})
	}()

	d := newDisplay(o.io, o.name, o.now)
	last, err := o.untilOver(sightings, failed, d)
	d.close()
	switch {
	case errors.Is(err, errAbsent):
		return absentRun(ctx, cl, namespace, o.name, ". To wait for it: --wait")
	case err != nil:
		return fmt.Errorf("watch run %q in namespace %s: %w", o.name, namespace, err)
	}
	return o.verdict(last)
}

var (
	errAbsent  = errors.New("it does not exist")
	errDeleted = errors.New("it was deleted before it ended")
)

// untilOver shows what comes, until the run is over.
func (o *watchOptions) untilOver(sightings <-chan sighting, failed <-chan error, d display) (*api.TrainingRun, error) {
	for {
		select {
		case s := <-sightings:
			run, _ := s.object.(*api.TrainingRun)
			if run == nil && s.lost == nil && !o.wait {
				return nil, errAbsent
			}
			d.show(s)
			if run == nil {
				continue
			}
			if over, _ := ended(run); over {
				return run, nil
			}
			if s.gone {
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
func (o *watchOptions) verdict(r *api.TrainingRun) error {
	if _, succeeded := ended(r); succeeded {
		fmt.Fprintf(o.io.ErrOut, "Next: plumb best %s%s, then plumb promote %s%s --model NAME\n", r.Name, o.cluster.inNamespace(), r.Name, o.cluster.inNamespace())
		return nil
	}
	hint := ""
	for _, t := range r.Status.Trials {
		if t.Phase == api.TrialFailed && t.Pod != "" {
			hint = fmt.Sprintf("\nLook at its log: plumb logs %s %s%s", r.Name, clean(t.Name), o.cluster.inNamespace())
			break
		}
	}
	return fmt.Errorf("run %q failed%s", r.Name, hint)
}
