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

// Options holds the argument and the flags of `plumb promote`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run         string
	Model       string
	Trial       string // empty: promote the best checkpoint of the whole run
	Reason      string
	Provisional bool
	NoWait      bool
	Timeout     time.Duration
	Output      output.Flag
}

const help = `Make a run's best checkpoint the next version of a model, and publish it.

The command creates a ModelVersion named <model>-v<n>. The ModelVersion copies the checkpoint's location, digest and
metrics from the run, so that they are still known after the run was deleted. The operator then starts a Job. The Job
verifies every digest, exports a SavedModel, repeats the recorded predictions, and makes <registry>/<model>/<n>/
visible in one step: readers see the complete version or none. No number is used twice. Two promotions at the same
time get two numbers.

`

// NewCmdPromote returns `plumb promote`. If runF is not nil, it receives the options instead of runPromote.
func NewCmdPromote(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runPromote
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "promote RUN --model NAME",
		Short: "Make a run's best checkpoint the next version of a model, and publish it",
		Long:  help + exitcode.Help,
		Example: `  # Promote the best checkpoint of the run, and wait until it is published
  plumb promote erasers --model erasers

  # Promote the best checkpoint of one trial
  plumb promote erasers --model erasers --trial d18 --reason "half the latency, as good as d50 within noise"

  # In a script: print the ModelVersion's name and do not wait
  plumb promote erasers --model erasers --no-wait -o name`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Model, "model", "", "the Model that gets a new version (required)")
	flags.StringVar(&o.Trial, "trial", "",
		"promote the best checkpoint of this trial, such as d50, instead of the best of the run")
	flags.StringVar(&o.Reason, "reason", "",
		fmt.Sprintf("why this checkpoint is promoted; kept in the ModelVersion (at most %d bytes)", maxReason))
	flags.BoolVar(&o.Provisional, "provisional", false,
		"promote the best checkpoint so far, although the run may still find a better one")
	flags.BoolVar(&o.NoWait, "no-wait", false,
		"return as soon as the ModelVersion exists, before it is published")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long to wait until the version is published")
	o.Output.AddTo(cmd, "json", "yaml", "name")
	_ = cmd.RegisterFlagCompletionFunc("model", f.Cluster.FlagCompletion(cluster.ProposeModels, 0))
	_ = cmd.RegisterFlagCompletionFunc("trial", f.Cluster.FlagCompletion(cluster.ProposeTrials, 1))
	return cmd
}

func runPromote(ctx context.Context, o *Options) error {
	switch {
	case o.Model == "":
		return failure.Usagef("--model is missing: name the model that gets a new version. " +
			"To list the models: plumb models")
	case len(o.Reason) > maxReason:
		return failure.Usagef("--reason has %d bytes; the limit is %d", len(o.Reason), maxReason)
	case o.Timeout <= 0:
		return failure.Usagef("--timeout is %s; it must be above 0", o.Timeout)
	}
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}

	// 1. Find the checkpoint and the model.
	run, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	spec, err := versionSpec(run, o.Trial, o.Provisional, o.Cluster.NamespaceFlag())
	if err != nil {
		return err
	}
	var model api.Model
	err = cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: o.Model}, &model)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("model %q does not exist in namespace %s\n"+
			"Create the model, then promote again. The manifest below has the image and the volumes of run %s. "+
			"Check spec.registry.uri before you apply the manifest: it must be the registry that you serve from.\n\n%s",
			o.Model, namespace, run.Name, modelManifest(o.Model, run))
	case err != nil:
		return fmt.Errorf("read model %q in namespace %s: %w", o.Model, namespace, err)
	}
	spec.Model, spec.Reason, spec.PromotedBy = o.Model, o.Reason, promoter(ctx, cl)

	// 2. Create the version under the next free number.
	version, err := createVersion(ctx, cl, &model, spec)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.IO.ErrOut, "Created model version %s: trial %s of run %s, epoch %d, AUC-PR %s\n",
		version.Name, spec.Trial, run.Name, spec.Epoch, runstate.Number(spec.Metrics.AUCPR, 4))

	// 3. Wait until the version is published.
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

// maxReason is the largest size of a ModelVersion's spec.reason, in bytes.
const maxReason = 1024

// versionSpec copies the run's best checkpoint, or that of the named trial, into the spec of a ModelVersion. Unless
// provisional is set, it refuses a run whose best can still change. inNamespace is the -n flag for commands in errors.
func versionSpec(r *api.TrainingRun, trial string, provisional bool, inNamespace string) (api.ModelVersionSpec, error) {
	over, _ := runstate.Ended(r)
	best := r.Status.Best
	if !provisional && (!over || best != nil && best.Provisional) {
		soFar := "no trial has a checkpoint"
		if best != nil {
			soFar = fmt.Sprintf("a better checkpoint than the best so far (%s at epoch %d) may still come",
				text.Clean(best.Trial), best.Epoch)
		}
		return api.ModelVersionSpec{}, fmt.Errorf("run %q has no final best checkpoint yet "+
			"(%s, %s trials ended): %s\n"+
			"To wait for its end: plumb watch %s%s. Or to promote the best so far: add --provisional",
			r.Name, runstate.Phase(r), cmp.Or(r.Status.Done, "no"), soFar, r.Name, inNamespace)
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
			"To see which trials have one: plumb best %s%s",
			t.Name, r.Name, cmp.Or(text.Clean(t.Message), text.Clean(string(t.Phase))), r.Name, inNamespace)
	}
	spec.Trial, spec.Depth = t.Name, t.Depth
	return withBest(spec, *t.Best), nil
}

func withBest(spec api.ModelVersionSpec, b api.BestMetrics) api.ModelVersionSpec {
	spec.Epoch, spec.Checkpoint, spec.Metrics = b.Epoch, b.Checkpoint, b.Metrics
	return spec
}

// createVersion creates the ModelVersion with the first number above all that the model ever had. If another promotion
// takes that number first, the API server refuses the name, and createVersion tries the next number.
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

// nextNumber returns the number after the highest that a version of the model has or, if it was deleted, had.
func nextNumber(model *api.Model, versions []api.ModelVersion) int64 {
	last := max(model.Status.LastNumber, model.Status.LatestVersion)
	for _, v := range versions {
		if v.Spec.Model == model.Name {
			last = max(last, v.Spec.Version)
		}
	}
	return last + 1
}

// promoter returns the user name that the API server gives the caller, which is also the name in the audit log. If the
// API server does not answer, promoter returns the name of the local user.
func promoter(ctx context.Context, cl client.Client) string {
	var review authenticationv1.SelfSubjectReview
	if err := cl.Create(ctx, &review); err == nil && review.Status.UserInfo.Username != "" {
		return text.Truncate(text.Clean(review.Status.UserInfo.Username), 200, "")
	}
	if u, err := user.Current(); err == nil {
		return text.Truncate(text.Clean(u.Username), 200, "") + " (local user)"
	}
	return ""
}

// untilPublished blocks until the version is published, cannot be published, or the timeout has passed. It prints every
// change of the version's state.
func (o *Options) untilPublished(
	ctx context.Context, cl client.WithWatch, v *api.ModelVersion,
) (*api.ModelVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	var end error
	printed := "" // the last state that was printed
	err := follow.Object(ctx, cl, &api.ModelVersionList{}, client.ObjectKeyFromObject(v), func(s follow.Sighting) {
		if s.Lost != nil {
			fmt.Fprintln(o.IO.ErrOut, follow.LostMessage(s.Lost))
			return
		}
		current, ok := s.Object.(*api.ModelVersion)
		switch {
		case !ok || s.Gone:
			end = fmt.Errorf("model version %s was deleted before it was published", v.Name)
		case meta.IsStatusConditionTrue(current.Status.Conditions, api.ConditionPublished):
			v, end = current, errPublished
		case current.Status.CompletionTime != nil:
			end = fmt.Errorf("model version %s was not published: %s\n"+
				"Correct the cause and promote again: the next version gets the next number. The publishing Job: %s",
				v.Name, publishingState(current), cmp.Or(text.Clean(current.Status.Job), "none"))
		case publishingState(current) != printed:
			v, printed = current, publishingState(current)
			fmt.Fprintf(o.IO.ErrOut, "%s: %s\n", v.Name, printed)
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
		state := cmp.Or(printed, "the operator has not written a status for it; is the operator running?")
		return nil, failure.Timeoutf("model version %s is not published after %s: %s\n"+
			"Publishing continues in the cluster. To see how far it is: "+
			"plumb models %s%s, or kubectl -n %s describe mver %s",
			v.Name, o.Timeout, state, v.Spec.Model, o.Cluster.NamespaceFlag(), v.Namespace, v.Name)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.IO.ErrOut,
			"Publishing of model version %s continues in the cluster. To see how far it is: plumb models %s%s\n",
			v.Name, v.Spec.Model, o.Cluster.NamespaceFlag())
	}
	return nil, fmt.Errorf("wait for model version %s: %w", v.Name, err)
}

// errPublished marks, inside untilPublished, the end of a publishing that succeeded.
var errPublished = errors.New("published")

// publishingState returns the message of the condition that says how far publishing is, or "" if there is none.
func publishingState(v *api.ModelVersion) string {
	for _, kind := range []string{api.ConditionPublished, api.ConditionVerified} {
		if m := runstate.ConditionMessage(v.Status.Conditions, kind, metav1.ConditionFalse); m != "" {
			return m
		}
	}
	return runstate.ConditionMessage(v.Status.Conditions, api.ConditionPublished, metav1.ConditionUnknown)
}
