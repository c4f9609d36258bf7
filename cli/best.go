package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// bestOptions are what `plumb best` was asked.
type bestOptions struct {
	io      *ioStreams
	cluster *cluster
	now     func() time.Time

	name   string
	output output
}

func newCmdBest(f *factory, runF func(context.Context, *bestOptions) error) *cobra.Command {
	if runF == nil {
		runF = runBest
	}
	o := &bestOptions{io: f.io, cluster: f.cluster, now: f.now}
	cmd := &cobra.Command{
		Use:   "best RUN",
		Short: "Show a run's best checkpoint, why it is the best, and all trials",
		Long: `Show a run's best checkpoint, why it is the best, and all trials.

Validation selected epoch, threshold and depth, so its figures flatter; test was scored once and selected nothing. A model that
knows nothing scores the prevalence.`,
		Example: `  plumb best erasers
  plumb best erasers -o json | jq -r .checkpoint.uri`,
		Args:              arguments(1, "RUN"),
		ValidArgsFunction: f.cluster.completion(proposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	o.output.addTo(cmd, "json", "yaml")
	return cmd
}

func runBest(ctx context.Context, o *bestOptions) error {
	cl, namespace, err := o.cluster.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if r.Status.Best == nil {
		return noBest(r, o.cluster.inNamespace())
	}
	if o.output.format != "" {
		return o.output.printDocument(bestDocument(r, o.now()), o.io.Out)
	}
	o.io.printLines(bestView(r, o.now(), o.io.style.cut))
	return nil
}

// bestOutput is what -o json and -o yaml print: status.best, with where it comes from and its test metrics.
type bestOutput struct {
	Namespace string       `json:"namespace"`
	Run       string       `json:"run"`
	Phase     api.RunPhase `json:"phase"`
	api.Best  `json:",inline"`
	Test      *api.Metrics `json:"test,omitempty"`
	Cost      *api.Cost    `json:"cost,omitempty"`      // of the run, pods that still run counted up to now
	TrialCost *api.Cost    `json:"trialCost,omitempty"` // of the best's trial
	// Attempts of the best's trial, each with what it took.
	Attempts []api.AttemptStatus `json:"attempts,omitempty"`
}

func bestDocument(r *api.TrainingRun, now time.Time) bestOutput {
	out := bestOutput{Namespace: r.Namespace, Run: r.Name, Phase: phaseOf(r), Best: *r.Status.Best}
	if t := findTrial(r, r.Status.Best.Trial); t != nil {
		out.Test = t.Test
		out.TrialCost, out.Attempts = costed(costOf(r, *t, now)), t.Attempts
	}
	out.Cost = costed(costOfRun(r, now))
	return out
}

func costed(c api.Cost) *api.Cost {
	if c == (api.Cost{}) {
		return nil
	}
	return &c
}
