package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/follow"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/cli/text"
)

// Options are what `plumb promote` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run         string
	Model       string
	Trial       string // "": the run's best
	Reason      string
	Provisional bool
	NoWait      bool
	Timeout     time.Duration
	Output      output.Flag
}

// NewCmdPromote returns `plumb promote`. runF, if not nil, receives the options instead of runPromote.
func NewCmdPromote(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runPromote
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "promote RUN --model NAME",
		Short: "Make a run's best checkpoint the next version of a model, and publish it",
		Long: `Make a run's best checkpoint the next version of a model, and publish it.

This creates a ModelVersion <model>-v<n> that holds a copy of what is promoted, so that it outlives the run. The operator then
verifies every digest, exports a SavedModel, replays the recorded predictions, and makes <registry>/<model>/<n>/ visible, whole or
not at all. Numbers are never used twice: of two promotions at once, each gets its own.

` + exitcode.Help,
		Example: `  plumb promote erasers --model erasers
  plumb promote erasers --model erasers --trial d18 --reason "half the latency, within noise of d50"
  plumb promote erasers --model erasers --no-wait -o name`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Model, "model", "", "the Model that gets another version (required)")
	flags.StringVar(&o.Trial, "trial", "", "promote this trial's best checkpoint instead of the run's, such as d50")
	flags.StringVar(&o.Reason, "reason", "", "why, for those who read it later")
	flags.BoolVar(&o.Provisional, "provisional", false, "promote what is best now, though the run has not ended")
	flags.BoolVar(&o.NoWait, "no-wait", false,
		"return as soon as the ModelVersion exists, and not when it is published")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long to wait")
	o.Output.AddTo(cmd, "json", "yaml", "name")
	_ = cmd.RegisterFlagCompletionFunc("model", f.Cluster.FlagCompletion(cluster.ProposeModels, 0))
	_ = cmd.RegisterFlagCompletionFunc("trial", f.Cluster.FlagCompletion(cluster.ProposeTrials, 1))
	return cmd
}

func runPromote(ctx context.Context, o *Options) error {
	switch {
	case o.Model == "":
		return failure.Usagef("--model is missing: say which model gets another version. " +
			"See which there are: plumb models")
	case len(o.Reason) > maxReason:
		return failure.Usagef("--reason has %d bytes; %d are kept", len(o.Reason), maxReason)
	case o.Timeout <= 0:
		return failure.Usagef("--timeout %s is not above 0", o.Timeout)
	}
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}

	// 1. What is promoted, and to what.
	run, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	spec, err := promotion(run, o.Trial, o.Provisional, o.Cluster.NamespaceFlag())
	if err != nil {
		return err
	}
	var model api.Model
	err = cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: o.Model}, &model)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("model %q does not exist in namespace %s\n"+
			"Create it, with the registry that you serve from, then promote again. "+
			"With this run's image and volumes:\n\n%s",
			o.Model, namespace, modelManifest(o.Model, run))
	case err != nil:
		return fmt.Errorf("read model %q in namespace %s: %w", o.Model, namespace, err)
	}
	spec.Model, spec.Reason, spec.PromotedBy = o.Model, o.Reason, who(ctx, cl)

	// 2. The next number that nobody has.
	version, err := createVersion(ctx, cl, &model, spec)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.IO.ErrOut, "Created %s: %s of run %s, epoch %d, AUC-PR %s\n",
		version.Name, spec.Trial, run.Name, spec.Epoch, runstate.Number(spec.Metrics.AUCPR, 4))

	// 3. Until it is published.
	if !o.NoWait {
		if version, err = o.untilPublished(ctx, cl, version); err != nil {
			return err
		}
	}
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, version, o.IO.Out)
	}
	if version.Status.URI != "" {
		fmt.Fprintf(o.IO.Out, "%s version %d is published: %s\n",
			version.Spec.Model, version.Spec.Version, text.Clean(version.Status.URI))
	}
	return nil
}

// maxReason in bytes: what a ModelVersion's spec.reason holds.
const maxReason = 1024

// promotion is what is copied from the run: its final best, or the best of the named trial.
func promotion(r *api.TrainingRun, trial string, provisional bool, inNamespace string) (api.ModelVersionSpec, error) {
	over, _ := runstate.Ended(r)
	best := r.Status.Best
	if !provisional && (!over || best != nil && best.Provisional) {
		have := "nothing to promote yet"
		if best != nil {
			have = fmt.Sprintf("its best so far, %s at epoch %d, may still be beaten",
				text.Clean(best.Trial), best.Epoch)
		}
		return api.ModelVersionSpec{}, fmt.Errorf("run %q has not ended (%s, %s trials ended): %s\n"+
			"Wait for it: plumb watch %s%s. Or promote what it has now: --provisional",
			r.Name, runstate.Phase(r), cmp.Or(r.Status.Done, "no"), have, r.Name, inNamespace)
	}
	spec := api.ModelVersionSpec{Run: api.RunRef{Name: r.Name, UID: string(r.UID)}}
	if trial == "" {
		if best == nil {
			return spec, runstate.NoBest(r, inNamespace)
		}
		spec.Trial, spec.Depth = best.Trial, best.Depth
		return withBest(spec, best.BestMetrics), nil
	}
	t := runstate.FindTrial(r, trial)
	if t == nil {
		return spec, runstate.NoTrial(r, trial)
	}
	if t.Best == nil {
		return spec, fmt.Errorf("trial %s of run %q has no committed checkpoint: %s\n"+
			"See what the others have: plumb best %s%s",
			t.Name, r.Name, cmp.Or(text.Clean(t.Message), text.Clean(string(t.Phase))), r.Name, inNamespace)
	}
	spec.Trial, spec.Depth = t.Name, t.Depth
	return withBest(spec, *t.Best), nil
}

func withBest(spec api.ModelVersionSpec, b api.BestMetrics) api.ModelVersionSpec {
	spec.Epoch, spec.Checkpoint, spec.Metrics = b.Epoch, b.Checkpoint, b.Metrics
	return spec
}

// createVersion takes the first number above all that the model ever had. Whoever else promotes at the same time may
// take it first: the API server refuses a name that exists, and then the next number is tried.
func createVersion(
	ctx context.Context, cl client.Client, model *api.Model, spec api.ModelVersionSpec,
) (*api.ModelVersion, error) {
	var versions api.ModelVersionList
	if err := cl.List(ctx, &versions, client.InNamespace(model.Namespace)); err != nil {
		return nil, fmt.Errorf("list versions of model %q in namespace %s: %w", model.Name, model.Namespace, err)
	}
	for number := nextNumber(model, versions.Items); ; number++ {
		spec.Version = number
		v := &api.ModelVersion{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: model.Namespace,
				Name:      fmt.Sprintf("%s-v%d", model.Name, number),
				Labels: map[string]string{
					api.LabelModel: model.Name, api.LabelRun: spec.Run.Name, api.LabelTrial: spec.Trial,
				},
			},
			Spec: spec,
		}
		switch err := cl.Create(ctx, v); {
		case err == nil:
			return v, nil
		case !apierrors.IsAlreadyExists(err):
			return nil, fmt.Errorf("create model version %s in namespace %s: %w", v.Name, v.Namespace, err)
		}
	}
}

// nextNumber is one above every version that exists and every one that ever did.
func nextNumber(model *api.Model, versions []api.ModelVersion) int64 {
	last := max(model.Status.LastNumber, model.Status.LatestVersion)
	for _, v := range versions {
		if v.Spec.Model == model.Name {
			last = max(last, v.Spec.Version)
		}
	}
	return last + 1
}

// who asks, in the API server's words (they are the audit log's too); where it does not say, the local user.
func who(ctx context.Context, cl client.Client) string {
	var review authenticationv1.SelfSubjectReview
	if err := cl.Create(ctx, &review); err == nil && review.Status.UserInfo.Username != "" {
		return text.Truncate(text.Clean(review.Status.UserInfo.Username), 200, "")
	}
	if u, err := user.Current(); err == nil {
		return text.Truncate(text.Clean(u.Username), 200, "") + " (local user)"
	}
	return ""
}

// untilPublished waits for the version's end, telling how it goes.
func (o *Options) untilPublished(
	ctx context.Context, cl client.WithWatch, v *api.ModelVersion,
) (*api.ModelVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var end error
	told := ""
	err := follow.Object(ctx, cl, &api.ModelVersionList{}, client.ObjectKeyFromObject(v), func(s follow.Sighting) {
		if s.Lost != nil {
			fmt.Fprintln(o.IO.ErrOut, follow.LostMessage(s.Lost))
			return
		}
		seen, ok := s.Object.(*api.ModelVersion)
		switch {
		case !ok || s.Gone:
			end = fmt.Errorf("model version %s was deleted before it was published", v.Name)
		case meta.IsStatusConditionTrue(seen.Status.Conditions, api.ConditionPublished):
			v, end = seen, errPublished
		case seen.Status.CompletionTime != nil:
			end = fmt.Errorf("%s was not published: %s\n"+
				"The number is spent; put right what it says and promote again. Its Job: %s",
				v.Name, publishing(seen), cmp.Or(text.Clean(seen.Status.Job), "none"))
		case publishing(seen) != told:
			v, told = seen, publishing(seen)
			fmt.Fprintf(o.IO.ErrOut, "%s: %s\n", v.Name, told)
		}
		if end != nil {
			cancel()
		}
	})
	switch {
	case errors.Is(end, errPublished):
		return v, nil
	case end != nil:
		return nil, end
	case errors.Is(err, context.DeadlineExceeded):
		state := cmp.Or(told, "the operator has not said anything about it; is it running?")
		return nil, failure.Timeoutf("%s is not published after %s: %s\n"+
			"It goes on. Look again: plumb models %s%s, kubectl -n %s describe mver %s",
			v.Name, o.Timeout, state, v.Spec.Model, o.Cluster.NamespaceFlag(), v.Namespace, v.Name)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.IO.ErrOut, "%s exists, and publishing goes on. Look again: plumb models %s%s\n",
			v.Name, v.Spec.Model, o.Cluster.NamespaceFlag())
	}
	return nil, fmt.Errorf("wait for model version %s: %w", v.Name, err)
}

var errPublished = errors.New("published")

// publishing is the sentence on how far a version has come.
func publishing(v *api.ModelVersion) string {
	for _, kind := range []string{api.ConditionPublished, api.ConditionVerified} {
		if m := runstate.ConditionMessage(v.Status.Conditions, kind, metav1.ConditionFalse); m != "" {
			return m
		}
	}
	return runstate.ConditionMessage(v.Status.Conditions, api.ConditionPublished, metav1.ConditionUnknown)
}
