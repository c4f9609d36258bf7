package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	if o.output.format != "" {
		return o.output.printDocument(bestDocument(r, o.now()), o.Out)
	}
	printLines(o.Out, bestView(r, o.now()))
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
	if e := expenseOf(costOfRun(r, now)); e.hours > 0 {
		cost := e.String()
		if lost := e.lostShare(); lost != "" {
			cost += ", " + lost + " of it lost to attempts that were repeated"
		}
		facts.row("Cost", cost)
	}
	if y := yield(*b); y != "" {
		facts.row("Yield", fmt.Sprintf("%s: %s after %s", y, b.Trial, expenseOf(costOf(r, *trial, now))))
	}

	var figures grid
	figures.header("SPLIT", "AUC-PR", "95% INTERVAL", "BLIND", "F1", "PRECISION", "RECALL", "THRESHOLD", "SAMPLES")
	figures.row(metricsRow("validation (selected on)", b.Metrics)...)
	if trial.Test != nil {
		figures.row(metricsRow("test (scored once)", *trial.Test)...)
	}
	lines := facts.lines()[1:] // its header is empty
	lines = append(append(lines, nil), figures.lines()...)
	lines = append(append(lines, nil), trialGrid(r, now)...)
	if words := trialWords(r); len(words) > 0 {
		lines = append(append(lines, nil), words...)
	}
	return lines
}

func metricsRow(split string, m api.Metrics) []string {
	samples := ""
	if m.Samples > 0 {
		samples = strconv.Itoa(int(m.Samples))
	}
	return []string{split, number(m.AUCPR, 4), interval(m, "-"), number(m.Prevalence, 4), number(m.F1, 4), number(m.Precision, 4), number(m.Recall, 4), number(m.Threshold, 4), samples}
}

// trialGrid is the table of all trials of a run. Of attempts it says how many, and how many of these were ended from outside.
func trialGrid(r *api.TrainingRun, now time.Time) []line {
	all := expenseOf(costOfRun(r, now))
	var t grid
	t.header("TRIAL", "PHASE", "EPOCH", "BEST", "95% INTERVAL", "AT", "TEST", "ATTEMPTS", "INTERRUPTED")
	if all.hours > 0 {
		t.header(strings.ToUpper(all.unit)+"-H", "LOST")
	}
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
		interrupted := ""
		if s.Interruptions > 0 {
			interrupted = strconv.Itoa(int(s.Interruptions))
		}
		row := []string{s.Name, string(s.Phase), fmt.Sprintf("%d/%d", s.Epoch, s.Epochs), best, ci, at, test, attempts, interrupted}
		if e := expenseOf(costOf(r, s, now)); all.hours > 0 {
			row = append(row, e.amount(), e.lostShare())
		}
		t.row(row...)
	}
	return t.lines()
}

// What trials have to say, in columns and lines; the whole is in -o json and kubectl describe.
const (
	wordsWidth = 100
	wordsLines = 3
)

// trialWords are the sentences about trials: how they stand, what became of their attempts, what their cohort says.
func trialWords(r *api.TrainingRun) (lines []line) {
	for _, t := range r.Status.Trials {
		message := ""
		if t.Phase != api.TrialSucceeded {
			message = clean(t.Message)
		}
		for _, text := range []string{message, attemptWords(t), cohortWords(t)} {
			if text == "" {
				continue
			}
			for _, l := range wrap(clean(t.Name)+": "+text, wordsWidth, wordsLines, plainStyle().cut) {
				lines = append(lines, line{{text: l}})
			}
		}
	}
	return lines
}
