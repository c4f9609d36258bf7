package best

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/cost"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
)

// Options are what `plumb best` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Run    string
	Output output.Flag
}

// NewCmdBest returns `plumb best`. runF, if not nil, receives the options instead of runBest.
func NewCmdBest(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runBest
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "best RUN",
		Short: "Show a run's best checkpoint, why it is the best, and all trials",
		Long: `Show a run's best checkpoint, why it is the best, and all trials.

Validation selected epoch, threshold and depth, so its figures flatter; test was scored once and selected nothing. A model that
knows nothing scores the prevalence.`,
		Example: `  plumb best erasers
  plumb best erasers -o json | jq -r .checkpoint.uri`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	o.Output.AddTo(cmd, "json", "yaml")
	return cmd
}

func runBest(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	r, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	if r.Status.Best == nil {
		return runstate.NoBest(r, o.Cluster.NamespaceFlag())
	}
	if o.Output.Format != "" {
		return o.Output.PrintDocument(newDocument(r, o.Now()), o.IO.Out)
	}
	o.IO.PrintLines(view(r, o.Now(), o.IO.Style.Cut))
	return nil
}

// document is what -o json and -o yaml print: status.best, with where it comes from and its test metrics.
type document struct {
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

func newDocument(r *api.TrainingRun, now time.Time) document {
	out := document{Namespace: r.Namespace, Run: r.Name, Phase: runstate.Phase(r), Best: *r.Status.Best}
	if t := runstate.FindTrial(r, r.Status.Best.Trial); t != nil {
		out.Test = t.Test
		out.TrialCost, out.Attempts = costed(cost.Of(r, *t, now)), t.Attempts
	}
	out.Cost = costed(cost.OfRun(r, now))
	return out
}

func costed(c api.Cost) *api.Cost {
	if c == (api.Cost{}) {
		return nil
	}
	return &c
}
