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

// Options holds the arguments and flags of `plumb best`.
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

The metrics of the validation split are optimistic, because this split selected the epoch, the threshold and the
depth. The test split selected nothing: each trial's best checkpoint is scored on it once.

CHANCE is the chance level: the AUC-PR of a model that has learned nothing. It equals the share of defects.
95% INTERVAL is a bootstrap interval of the AUC-PR. In the table of trials, BEST is the highest AUC-PR on the
validation split, and AT is its epoch. INTERRUPTED counts the attempts that something outside the trial ended, such
as an eviction. LOST is the share of GPU-H (GPU-hours) in which an attempt trained no epoch that the next attempt
resumed from. Without GPUs the column is POD-H (pod-hours).

AUC-PR per GPU-hour is the best AUC-PR divided by the GPU-hours of its trial. It is shown once that trial has ended,
if the trial took at least 0.1 GPU-hours.`,
		Example: `  # Show the best checkpoint of the run "erasers"
  plumb best erasers

  # In a script: print where the best checkpoint is
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

// document is what -o json and -o yaml print: status.best with its run, its metrics on the test split, and its cost.
type document struct {
	Namespace string       `json:"namespace"`
	Run       string       `json:"run"`
	Phase     api.RunPhase `json:"phase"`
	api.Best  `json:",inline"`
	Test      *api.Metrics `json:"test,omitempty"`
	Cost      *api.Cost    `json:"cost,omitempty"`      // of the run, including pods that still run
	TrialCost *api.Cost    `json:"trialCost,omitempty"` // of the best's trial
	// Attempts are the attempts of the best's trial, each with its cost.
	Attempts []api.AttemptStatus `json:"attempts,omitempty"`
}

func newDocument(r *api.TrainingRun, now time.Time) document {
	out := document{Namespace: r.Namespace, Run: r.Name, Phase: runstate.Phase(r), Best: *r.Status.Best}
	if t := runstate.FindTrial(r, r.Status.Best.Trial); t != nil {
		out.Test = t.Test
		out.TrialCost, out.Attempts = nilIfZero(cost.Of(r, *t, now)), t.Attempts
	}
	out.Cost = nilIfZero(cost.OfRun(r, now))
	return out
}

// nilIfZero returns a pointer to c, or nil if c is zero, so that the document leaves it out.
func nilIfZero(c api.Cost) *api.Cost {
	if c == (api.Cost{}) {
		return nil
	}
	return &c
}
