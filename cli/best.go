package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// bestOptions are what `plumb best` was asked.
type bestOptions struct {
	*cluster
	name   string
	output output
}

func newBestCmd(c *cluster) *cobra.Command {
	o := &bestOptions{cluster: c}
	cmd := &cobra.Command{
		Use:   "best RUN",
		Short: "Show a run's best checkpoint, why it is the best, and all trials",
		Long: `Show a run's best checkpoint, why it is the best, and all trials.

Validation selected epoch, threshold and depth, so its figures flatter; test was scored once and selected nothing. A model that
knows nothing scores the prevalence.`,
		Example: `  plumb best erasers
  plumb best erasers -o json | jq -r .checkpoint.uri`,
		Args:              arguments(1, "RUN"),
		ValidArgsFunction: c.completion(proposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context())
		},
	}
	o.output.addTo(cmd, "json", "yaml")
	return cmd
}

func (o *bestOptions) run(ctx context.Context) error {
	cl, namespace, err := o.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if r.Status.Best == nil {
		return noBest(r, o.inNamespace())
	}
	switch o.output {
	case "":
		printLines(o.Out, bestView(r, o.now()))
	case "json":
		b, err := json.MarshalIndent(bestDocument(r), "", "    ")
		if err != nil {
			return err
		}
		fmt.Fprintln(o.Out, string(b))
	case "yaml":
		b, err := yaml.Marshal(bestDocument(r))
		if err != nil {
			return err
		}
		fmt.Fprint(o.Out, string(b))
	default:
		return usagef("--output %q is neither json nor yaml", string(o.output))
	}
	return nil
}

// getRun reads a run; one that does not exist is an error that names those that do.
func getRun(ctx context.Context, cl client.Client, namespace, name string) (*api.TrainingRun, error) {
	var r api.TrainingRun
	err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &r)
	switch {
	case apierrors.IsNotFound(err):
		return nil, absentRun(ctx, cl, namespace, name, "")
	case err != nil:
		return nil, fmt.Errorf("read run %q in namespace %s: %w", name, namespace, err)
	}
	return &r, nil
}

// noBest says why a run has no best checkpoint.
func noBest(r *api.TrainingRun, inNamespace string) error {
	over, _ := ended(r)
	if !over {
		return fmt.Errorf("run %q has no checkpoint yet: it is %s\nFollow it: plumb watch %s%s", r.Name, phaseOf(r), r.Name, inNamespace)
	}
	why := conditionMessage(r.Status.Conditions, api.ConditionBestSelected, metav1.ConditionFalse)
	if why == "" {
		why = conditionMessage(r.Status.Conditions, api.ConditionFailed, metav1.ConditionTrue)
	}
	return fmt.Errorf("run %q ended without a best checkpoint: %s\nSee its trials: plumb watch %s%s", r.Name, why, r.Name, inNamespace)
}

// bestOutput is what -o json and -o yaml print: status.best, with where it comes from and its test metrics.
type bestOutput struct {
	Namespace string       `json:"namespace"`
	Run       string       `json:"run"`
	Phase     api.RunPhase `json:"phase"`
	api.Best  `json:",inline"`
	Test      *api.Metrics `json:"test,omitempty"`
}

func bestDocument(r *api.TrainingRun) bestOutput {
	out := bestOutput{Namespace: r.Namespace, Run: r.Name, Phase: phaseOf(r), Best: *r.Status.Best}
	if t := findTrial(r, r.Status.Best.Trial); t != nil {
		out.Test = t.Test
	}
	return out
}

// bestView is the whole answer: the best, its figures, all trials.
func bestView(r *api.TrainingRun, now time.Time) []line {
	b := r.Status.Best
	trial := findTrial(r, b.Trial)
	if trial == nil {
		trial = &api.TrialStatus{Name: b.Trial}
	}
	var facts grid
	facts.header("", "")
	facts.row("Run", fmt.Sprintf("%s in namespace %s, %s, %s trials ended, %s", r.Name, r.Namespace, phaseOf(r), r.Status.Done, human(took(r, now))))
	best := fmt.Sprintf("%s, epoch %d of %d", b.Trial, b.Epoch, trial.Epochs)
	if b.Provisional {
		best += " (so far: trials that may still win are running)"
	}
	facts.row("Best", best)
	facts.row("Why", b.Reason)
	if u := b.RunnerUp; u != nil {
		facts.row("Runner-up", fmt.Sprintf("%s, AUC-PR %s at epoch %d", u.Trial, number(u.AUCPR, 4), u.Epoch))
	}
	facts.row("Checkpoint", b.Checkpoint.URI)
	facts.row("Digest", b.Checkpoint.Digest)

	var figures grid
	figures.header("SPLIT", "AUC-PR", "95% INTERVAL", "BLIND", "F1", "PRECISION", "RECALL", "THRESHOLD", "SAMPLES")
	figures.row(metricsRow("validation (selected on)", b.Metrics)...)
	if trial.Test != nil {
		figures.row(metricsRow("test (scored once)", *trial.Test)...)
	}
	lines := facts.lines()[1:] // its header is empty
	lines = append(append(lines, nil), figures.lines()...)
	return append(append(lines, nil), trialGrid(r)...)
}

func metricsRow(split string, m api.Metrics) []string {
	samples := ""
	if m.Samples > 0 {
		samples = strconv.Itoa(int(m.Samples))
	}
	return []string{split, number(m.AUCPR, 4), interval(m, "-"), number(m.Prevalence, 4), number(m.F1, 4), number(m.Precision, 4), number(m.Recall, 4), number(m.Threshold, 4), samples}
}

// trialGrid is the table of all trials of a run.
func trialGrid(r *api.TrainingRun) []line {
	var t grid
	t.header("TRIAL", "PHASE", "EPOCH", "BEST", "95% INTERVAL", "AT", "TEST", "ATTEMPTS", "MESSAGE")
	for _, s := range r.Status.Trials {
		best, ci, at, test, attempts := "", "", "", "", ""
		if s.Best != nil {
			best, ci, at = number(s.Best.AUCPR, 4), interval(s.Best.Metrics, "-"), fmt.Sprintf("@%d", s.Best.Epoch)
		}
		if s.Test != nil {
			test = number(s.Test.AUCPR, 4)
		}
		if s.Attempt > 0 {
			attempts = strconv.Itoa(int(s.Attempt))
		}
		message := ""
		if s.Phase != api.TrialSucceeded {
			message = truncate(clean(s.Message), longestMessage, plainStyle().cut)
		}
		t.row(s.Name, string(s.Phase), fmt.Sprintf("%d/%d", s.Epoch, s.Epochs), best, ci, at, test, attempts, message)
	}
	return t.lines()
}

// longestMessage in a table that people read, in columns; the whole is in -o json and kubectl describe.
const longestMessage = 160
