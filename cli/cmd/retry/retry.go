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

// Options holds the argument and the flags of `plumb retry`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster

	Run     string
	NewName string // empty: the next free name
	Depths  []int  // empty: all depths of the old run
	Epochs  int32  // 0: as many epochs as the old run
	Anew    bool   // start from the beginning
	Output  output.Flag
}

const help = `Make another run that resumes from the checkpoints of a run that has ended.

A run that has ended is never started again, so this command creates a new run. The new run has the spec of the old
one, without suspend and stopTrials, and the old run's uid in spec.checkpoint.resumeFrom. Trials that had finished
report their end again at once. The other trials resume from their resume checkpoints.

The settings stay the same, but the number of epochs can be raised with --epochs. docs/training.md says what more
epochs do to the learning rate. plumb prune keeps the old run's checkpoints until the new run has ended.`

// NewCmdRetry returns `plumb retry`. If runF is not nil, it receives the options instead of runRetry.
func NewCmdRetry(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runRetry
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster}
	cmd := &cobra.Command{
		Use:   "retry RUN",
		Short: "Make another run that resumes from the checkpoints of a run that has ended",
		Long:  help,
		Example: `  # Resume the trials that failed; the others only report their end again
  plumb retry erasers

  # Train every trial longer, up to 60 epochs in total
  plumb retry erasers --epochs 60

  # Train one depth again from the beginning
  plumb retry erasers --depths 101 --anew`,
		Args:              arguments.Between(1, "RUN"),
		ValidArgsFunction: f.Cluster.Completion(cluster.ProposeRuns, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Run = args[0]
			return runF(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.NewName, "name", "",
		"name of the new run (default the old run's name with -r1, -r2, ...)")
	flags.IntSliceVar(&o.Depths, "depths", nil, "retry only these depths (default all depths of the old run)")
	flags.Int32Var(&o.Epochs, "epochs", 0,
		"total number of epochs, those of the old run included (default as many as the old run)")
	flags.BoolVar(&o.Anew, "anew", false, "start from the beginning, without the old run's checkpoints")
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
	start := "resumes from the checkpoints of " + old.Name
	if o.Anew {
		start = "starts from the beginning"
	}
	fmt.Fprintf(o.IO.Out, "run %s is created and %s: %s\n", next.Name, start, depthNames(next.Spec.Depths))
	fmt.Fprintf(o.IO.ErrOut, "To follow it: plumb watch %s%s\n", next.Name, o.Cluster.NamespaceFlag())
	return nil
}

// successor returns the new run, still without a name. It returns an error if old has not ended, or if a trial would
// have to resume and has probably no checkpoint.
func (o *Options) successor(old *api.TrainingRun) (*api.TrainingRun, error) {
	if over, _ := runstate.Ended(old); !over {
		inNamespace, trials := o.Cluster.NamespaceFlag(), strings.ReplaceAll(runstate.TrialNames(old), ",", "")
		return nil, fmt.Errorf("run %q has not ended: it is %s\n"+
			"To wait for its end: plumb watch %s%s. Or to end its trials: plumb stop %s%s %s",
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
			others = fmt.Sprintf("To retry the other trials: plumb retry %s --depths %s%s. ",
				old.Name, depthList(kept), o.Cluster.NamespaceFlag())
		}
		return nil, fmt.Errorf("run %q probably left no checkpoint from which %s could resume\n"+
			"%sTo start from the beginning: plumb retry %s --depths %s --anew%s. "+
			"If you know that there is a checkpoint, apply a run of your own with checkpoint.resumeFrom: %s",
			old.Name, depthNames(missing), others, old.Name, depthList(missing), o.Cluster.NamespaceFlag(), old.UID)
	}
	uid := string(old.UID)
	next.Spec.Checkpoint.ResumeFrom = &uid
	return next, nil
}

// chooseDepths sets spec.depths to the depths of --depths, and removes the overrides of all other depths.
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

// raiseEpochs gives every trial the epochs of --epochs. A trial that resumes cannot have fewer epochs than before.
func (o *Options) raiseEpochs(old *api.TrainingRun, spec *api.TrainingRunSpec) error {
	if o.Epochs == 0 {
		return nil
	}
	for _, t := range old.Status.Trials {
		if !o.Anew && o.Epochs < t.Epochs && slices.Contains(spec.Depths, t.Depth) {
			return failure.Usagef("--epochs %d is below the %d epochs that trial %s had: "+
				"a trial that resumes cannot have fewer. Give at least %d, or start from the beginning with --anew",
				o.Epochs, t.Epochs, t.Name, t.Epochs)
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

// phases are the lengths of a trial's head phase and of its warm-up, in epochs.
type phases struct{ head, warmup int }

// phasesOf returns the phases of a depth in a run, as the run's settings and its preset resolve.
func phasesOf(run *api.TrainingRun, d api.Depth) (phases, error) {
	h, err := resolve.Hyperparameters(run, d)
	return phases{h.HeadEpochs, h.WarmupEpochs}, err
}

// keepPhases writes the phases of the old run into the new one, if more epochs would change them. A preset shortens its
// phases in a run of few epochs, and a trial cannot resume from a checkpoint that has other phases than its own.
func (o *Options) keepPhases(old, next *api.TrainingRun) error {
	var changed bool
	var distinct []phases // of the old run, in the order of depths
	depthsWith := map[phases][]api.Depth{}
	for _, d := range next.Spec.Depths {
		oldPhases, err := phasesOf(old, d)
		if err != nil {
			return err
		}
		newPhases, err := phasesOf(next, d)
		if err != nil {
			return err
		}
		if depthsWith[oldPhases] == nil {
			distinct = append(distinct, oldPhases)
		}
		depthsWith[oldPhases] = append(depthsWith[oldPhases], d)
		changed = changed || oldPhases != newPhases
	}
	if !changed {
		return nil
	}
	// The new run can set the phases only once for all depths, because spec.overrides cannot set them.
	if len(distinct) > 1 {
		var lengths, commands []string
		for _, p := range distinct {
			depths := depthsWith[p]
			lengths = append(lengths,
				fmt.Sprintf("%s headEpochs %d and warmupEpochs %d", depthNames(depths), p.head, p.warmup))
			commands = append(commands, fmt.Sprintf("plumb retry %s --depths %s --epochs %d%s",
				old.Name, depthList(depths), o.Epochs, o.Cluster.NamespaceFlag()))
		}
		return fmt.Errorf("the trials of run %q had phases of different lengths, "+
			"and one run with %d epochs cannot keep them all: %s\n"+
			"To retry the trials in separate runs: %s",
			old.Name, o.Epochs, strings.Join(lengths, "; "), strings.Join(commands, ", "))
	}
	h := next.Spec.Hyperparameters
	h.HeadEpochs, h.WarmupEpochs = ptr.To(int32(distinct[0].head)), ptr.To(int32(distinct[0].warmup))
	return nil
}

// withoutCheckpoint returns the depths whose trial, according to the run's status, left no checkpoint to resume from.
func withoutCheckpoint(old *api.TrainingRun, depths []api.Depth) (missing []api.Depth) {
	every := ptr.Deref(old.Spec.Checkpoint.EveryEpochs, int32(wire.DefaultCheckpointSettings("").EveryEpochs))
	for _, d := range depths {
		if t := runstate.FindTrial(old, fmt.Sprintf("d%d", d)); t == nil || !hasSaved(t, every) {
			missing = append(missing, d)
		}
	}
	return missing
}

// hasSaved reports whether, according to its status, a trial has written a resume checkpoint. A trial writes one after
// every everyEpochs epochs, after its last epoch, and when it is interrupted. Its best does not count, because a best
// holds only what is needed to predict.
func hasSaved(t *api.TrialStatus, everyEpochs int32) bool {
	return t.Epoch >= everyEpochs || t.Phase == api.TrialSucceeded || t.Epoch > 0 && t.Epoch >= t.Epochs ||
		slices.ContainsFunc(t.Attempts,
			func(a api.AttemptStatus) bool { return a.Class == string(wire.ClassInterrupted) })
}

// retriedName matches a name that an earlier retry has made.
var retriedName = regexp.MustCompile(`^(.*)-r(\d+)$`)

// longestName is the largest length of a run's name in bytes. It leaves room for the suffix in the names of Jobs.
const longestName = 40

// create creates the new run under the name of --name, or under the first free name. If another retry takes a name
// first, create tries the next one.
func (o *Options) create(ctx context.Context, cl client.Client, next *api.TrainingRun) error {
	base, n := o.Run, 1
	if m := retriedName.FindStringSubmatch(o.Run); m != nil {
		if number, err := strconv.Atoi(m[2]); err == nil {
			base, n = m[1], number+1
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
			return fmt.Errorf("run %q already exists in namespace %s\nChoose another name, or leave out --name",
				next.Name, next.Namespace)
		}
	}
}

// depthList returns depths as a flag's value, such as 18,34.
func depthList(depths []api.Depth) string {
	var out []string
	for _, d := range depths {
		out = append(out, strconv.Itoa(int(d)))
	}
	return strings.Join(out, ",")
}

// depthNames returns depths as the names of trials, such as d18, d34.
func depthNames(depths []api.Depth) string {
	var out []string
	for _, d := range depths {
		out = append(out, fmt.Sprintf("d%d", d))
	}
	return strings.Join(out, ", ")
}
