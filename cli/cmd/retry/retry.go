package retry

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/arguments"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/output"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/operator/resolve"
	"plumbline.dev/plumbline/wire"
)

// Options are what `plumb retry` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run     string
	NewName string // "": the next free one
	Depths  []int
	Epochs  int32 // 0: as many
	Anew    bool
	Output  output.Flag
}

// NewCmdRetry returns `plumb retry`. runF, if not nil, receives the options instead of runRetry.
func NewCmdRetry(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runRetry
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "retry RUN",
		Short: "Make another run that goes on from an ended run's checkpoints",
		Long: `Make another run that goes on from an ended run's checkpoints.

A run that has ended is never restarted. The new run has the same spec, without suspend and stopTrials, and names the old one in
spec.checkpoint.resumeFrom: trials that had come to their end tell it again at once, the others go on from what they saved. Their
settings stay the same but for more epochs; docs/training.md says what those mean for the learning rate. The old run's checkpoints
are needed until the new one has ended: plumb prune leaves them.`,
		Example: `  plumb retry erasers
  plumb retry erasers --epochs 60                 # train longer
  plumb retry erasers --depths 101 --anew         # one depth, from nothing`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.NewName, "name", "", "of the new run (default the old one's with -r1, -r2, ...)")
	flags.IntSliceVar(&o.Depths, "depths", nil, "retry these depths alone (default all of them)")
	flags.Int32Var(&o.Epochs, "epochs", 0, "train so many epochs in all (default as many as before)")
	flags.BoolVar(&o.Anew, "anew", false, "begin from nothing, and not from the old run's checkpoints")
	o.Output.AddTo(cmd, "json", "yaml", "name")
	_ = cmd.RegisterFlagCompletionFunc("depths", arguments.CompleteList(wire.Depths))
	return cmd
}

func runRetry(ctx context.Context, o *Options) error {
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	old, err := cluster.GetRun(ctx, cl, namespace, o.Run)
	if err != nil {
		return err
	}
	next, err := o.successor(old)
	if err != nil {
		return err
	}
	if err := o.create(ctx, cl, next); err != nil {
		return err
	}
	if printer := o.Output.Printer(); printer != nil {
		return output.PrintObject(printer, next, o.IO.Out)
	}
	does := "goes on from the checkpoints of " + old.Name
	if o.Anew {
		does = "begins from nothing"
	}
	fmt.Fprintf(o.IO.Out, "run %s %s: %s\n", next.Name, does, depthNames(next.Spec.Depths))
	fmt.Fprintf(o.IO.ErrOut, "Follow it: plumb watch %s%s\n", next.Name, o.Cluster.NamespaceFlag())
	return nil
}

// successor is the new run, still without a name.
func (o *Options) successor(old *api.TrainingRun) (*api.TrainingRun, error) {
	if over, _ := runstate.Ended(old); !over {
		inNamespace, trials := o.Cluster.NamespaceFlag(), strings.ReplaceAll(runstate.TrialNames(old), ",", "")
		return nil, fmt.Errorf("run %q has not ended: it is %s\n"+
			"Wait for it: plumb watch %s%s. Or end it: plumb stop %s%s %s",
			old.Name, runstate.Phase(old), old.Name, inNamespace, old.Name, inNamespace, trials)
	}
	next := &api.TrainingRun{ObjectMeta: metav1.ObjectMeta{
		Namespace: old.Namespace, Labels: maps.Clone(old.Labels), Annotations: maps.Clone(old.Annotations),
	}}
	delete(next.Annotations, corev1.LastAppliedConfigAnnotation)
	old.Spec.DeepCopyInto(&next.Spec)
	next.Spec.Suspend, next.Spec.StopTrials, next.Spec.Checkpoint.ResumeFrom = nil, nil, nil
	if err := o.chooseDepths(old, &next.Spec); err != nil {
		return nil, err
	}
	if err := o.raiseEpochs(old, &next.Spec); err != nil {
		return nil, err
	}
	if o.Anew {
		return next, nil
	}
	if err := o.keepPhases(old, next); err != nil {
		return nil, err
	}
	if missing := withoutCheckpoint(old, next.Spec.Depths); len(missing) > 0 {
		kept := slices.DeleteFunc(slices.Clone(next.Spec.Depths), func(d api.Depth) bool {
			return slices.Contains(missing, d)
		})
		others := ""
		if len(kept) > 0 {
			others = fmt.Sprintf("Retry the others: plumb retry %s --depths %s%s. ",
				old.Name, list(kept), o.Cluster.NamespaceFlag())
		}
		return nil, fmt.Errorf("%s of run %q probably left no checkpoint to go on from, "+
			"and would fail for want of one\n"+
			"%sFrom nothing: plumb retry %s --depths %s --anew%s. "+
			"If you know that it did, make a run with checkpoint.resumeFrom: %s",
			depthNames(missing), old.Name, others, old.Name, list(missing), o.Cluster.NamespaceFlag(), old.UID)
	}
	uid := string(old.UID)
	next.Spec.Checkpoint.ResumeFrom = &uid
	return next, nil
}

func (o *Options) chooseDepths(old *api.TrainingRun, spec *api.TrainingRunSpec) error {
	if len(o.Depths) == 0 {
		return nil
	}
	spec.Depths = nil
	for _, d := range o.Depths {
		if runstate.FindTrial(old, fmt.Sprintf("d%d", d)) == nil {
			return failure.Usagef("--depths: run %q has no trial d%d. Its trials: %s",
				old.Name, d, runstate.TrialNames(old))
		}
		spec.Depths = append(spec.Depths, api.Depth(d))
	}
	spec.Overrides = slices.DeleteFunc(spec.Overrides, func(v api.DepthOverride) bool {
		return !slices.Contains(spec.Depths, v.Depth)
	})
	return nil
}

func (o *Options) raiseEpochs(old *api.TrainingRun, spec *api.TrainingRunSpec) error {
	if o.Epochs == 0 {
		return nil
	}
	for _, t := range old.Status.Trials {
		if !o.Anew && o.Epochs < t.Epochs && slices.Contains(spec.Depths, t.Depth) {
			return failure.Usagef("--epochs %d is below the %d that %s was to train: they may only grow",
				o.Epochs, t.Epochs, t.Name)
		}
	}
	if spec.Hyperparameters == nil {
		spec.Hyperparameters = &api.Hyperparameters{}
	}
	spec.Hyperparameters.Epochs = &o.Epochs
	for i := range spec.Overrides {
		spec.Overrides[i].Epochs = nil
	}
	return nil
}

// phases of a trial, in epochs.
type phases struct{ head, warmup int }

func phasesOf(run *api.TrainingRun, d api.Depth) (phases, error) {
	h, err := resolve.Hyperparameters(run, d)
	return phases{h.HeadEpochs, h.WarmupEpochs}, err
}

// keepPhases writes down the phases that the old run had and more epochs would change. A preset's phases are cut to fit
// few epochs, and a trial cannot go on from a checkpoint of other phases than its own.
func (o *Options) keepPhases(old, next *api.TrainingRun) error {
	var differ bool
	var before []phases // in the order of depths
	alike := map[phases][]api.Depth{}
	for _, d := range next.Spec.Depths {
		was, err := phasesOf(old, d)
		if err != nil {
			return err
		}
		will, err := phasesOf(next, d)
		if err != nil {
			return err
		}
		if alike[was] == nil {
			before = append(before, was)
		}
		differ, alike[was] = differ || was != will, append(alike[was], d)
	}
	if !differ {
		return nil
	}
	if len(before) > 1 { // overrides have no phases
		var had, apart []string
		for _, p := range before {
			had = append(had,
				fmt.Sprintf("%s headEpochs %d and warmupEpochs %d", depthNames(alike[p]), p.head, p.warmup))
			apart = append(apart, fmt.Sprintf("plumb retry %s --depths %s --epochs %d%s",
				old.Name, list(alike[p]), o.Epochs, o.Cluster.NamespaceFlag()))
		}
		return fmt.Errorf("the trials of run %q had phases of different lengths, "+
			"which one run with %d epochs for all cannot give them: %s\n"+
			"Retry those apart that differ: %s",
			old.Name, o.Epochs, strings.Join(had, "; "), strings.Join(apart, ", "))
	}
	h := next.Spec.Hyperparameters
	h.HeadEpochs, h.WarmupEpochs = ptr.To(int32(before[0].head)), ptr.To(int32(before[0].warmup))
	return nil
}

// withoutCheckpoint are depths whose trial has, by all that status tells, saved nothing to go on from.
func withoutCheckpoint(old *api.TrainingRun, depths []api.Depth) (missing []api.Depth) {
	every := ptr.Deref(old.Spec.Checkpoint.EveryEpochs, int32(wire.DefaultCheckpoint("").EveryEpochs))
	for _, d := range depths {
		if t := runstate.FindTrial(old, fmt.Sprintf("d%d", d)); t == nil || !hasSaved(t, every) {
			missing = append(missing, d)
		}
	}
	return missing
}

// hasSaved: a trial saves itself after each so many epochs, after its last, and within an epoch when it is stopped from
// outside. A best says nothing: it has no more than is needed to predict.
func hasSaved(t *api.TrialStatus, everyEpochs int32) bool {
	return t.Epoch >= everyEpochs || t.Phase == api.TrialSucceeded || t.Epoch > 0 && t.Epoch >= t.Epochs ||
		slices.ContainsFunc(t.Attempts,
			func(a api.AttemptStatus) bool { return a.Class == string(wire.ClassInterrupted) })
}

// numbered is a name that retry has given before.
var numbered = regexp.MustCompile(`^(.*)-r(\d+)$`)

// longestName of a run: the names of Jobs are made from it.
const longestName = 40

// create takes the given name, or the first that is free. Whoever else retries at the same time may take it first.
func (o *Options) create(ctx context.Context, cl client.Client, next *api.TrainingRun) error {
	base, n := o.Run, 1
	if m := numbered.FindStringSubmatch(o.Run); m != nil {
		if before, err := strconv.Atoi(m[2]); err == nil {
			base, n = m[1], before+1
		}
	}
	for ; ; n++ {
		suffix := fmt.Sprintf("-r%d", n)
		next.Name = base[:min(len(base), longestName-len(suffix))] + suffix
		if o.NewName != "" {
			next.Name = o.NewName
		}
		err := cl.Create(ctx, next)
		switch {
		case err == nil:
			return nil
		case !apierrors.IsAlreadyExists(err):
			return fmt.Errorf("create run %q in namespace %s: %w", next.Name, next.Namespace, err)
		case o.NewName != "":
			return fmt.Errorf("run %q exists already in namespace %s\nChoose another --name, or leave it out",
				next.Name, next.Namespace)
		}
	}
}

func list(depths []api.Depth) string {
	var out []string
	for _, d := range depths {
		out = append(out, strconv.Itoa(int(d)))
	}
	return strings.Join(out, ",")
}

func depthNames(depths []api.Depth) string {
	var out []string
	for _, d := range depths {
		out = append(out, fmt.Sprintf("d%d", d))
	}
	return strings.Join(out, ", ")
}
