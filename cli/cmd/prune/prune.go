package prune

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/cluster"
	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/cli/factory"
	"plumbline.dev/plumbline/cli/failure"
	"plumbline.dev/plumbline/cli/follow"
	"plumbline.dev/plumbline/cli/iostreams"
	"plumbline.dev/plumbline/cli/text"
	"plumbline.dev/plumbline/wire"
)

// Options holds the flags of `plumb prune`.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Template  string // a run's name; empty: the newest run
	OlderThan time.Duration
	All       bool
	Unknown   bool
	DryRun    bool
	Yes       bool
	Timeout   time.Duration
}

const help = `Remove checkpoints that no run and no model version needs, after showing them and asking.

The command starts a Job with the image and the volumes of a run. The Job lists what can be removed from the run's
checkpoint store. If you answer yes, a second Job removes it. The command prints the logs of both Jobs.

Runs that are left whole:
  Nothing is removed from a run that has not ended, or that ended less than --older-than ago. The same holds for the
  run from which a run that has not ended resumes.

Runs that ended longer ago:
  Their resume checkpoints, the bests that a better one has replaced, and half-written files are removed. Each trial's
  best, its reports and event files, and every checkpoint that a ModelVersion names are kept. You can still promote
  from such a run, but no longer retry it.

Decoded images:
  They are removed if no trial has read them for as long as --older-than.

Directories of unknown runs:
  These are runs that the namespace (with -A: the cluster) does not have. Their directories are left and listed,
  because another namespace or another cluster may use the same store. If you know that the runs were deleted, use
  --unknown. It removes those directories in which nothing has changed for as long as --older-than, except what a
  ModelVersion or another run names. It reads all namespaces of this cluster first, but it cannot see other clusters.

`

// NewCmdPrune returns `plumb prune`. If runF is not nil, it receives the options instead of runPrune.
func NewCmdPrune(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runPrune
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove checkpoints that no run and no model version needs",
		Long:  help + exitcode.Help,
		Example: `  # Show what would be removed, and remove nothing
  plumb prune --dry-run

  # Show what would be removed from runs that ended at least three days ago, ask, and remove it
  plumb prune --older-than 72h

  # Remove the directories of deleted runs, too, and do not ask
  plumb prune --unknown --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Template, "template-from", "",
		"prune the checkpoint store of this run, with its image and volumes (default the newest run)")
	flags.DurationVar(&o.OlderThan, "older-than", 720*time.Hour,
		"leave runs that ended less than this time ago, and images that were read since")
	flags.BoolVarP(&o.All, "all-namespaces", "A", false,
		"include the runs and model versions of all namespaces, which may use the same store")
	flags.BoolVar(&o.Unknown, "unknown", false,
		"also remove the directories of runs that this cluster does not have")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show what would be removed, and remove nothing")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "remove without showing and asking first")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long to wait for each Job")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	_ = cmd.RegisterFlagCompletionFunc("template-from", f.Cluster.FlagCompletion(cluster.ProposeRuns, 0))
	return cmd
}

func runPrune(ctx context.Context, o *Options) error {
	switch {
	case o.OlderThan < 0:
		return failure.Usagef("--older-than is %s; it must not be below 0", o.OlderThan)
	case o.Timeout <= 0:
		return failure.Usagef("--timeout is %s; it must be above 0", o.Timeout)
	}
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	run, keep, err := o.gather(ctx, cl, namespace)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.IO.ErrOut, "Checkpoint store of run %s in namespace %s: %s\n"+
		"Runs that are left whole: %d. Older runs that are pruned: %d. Checkpoints that are kept in any case: %d\n",
		run.Name, namespace, text.Clean(string(run.Spec.Checkpoint.URI)),
		len(keep.Live), len(keep.Ended), len(keep.Checkpoints))
	if !o.Yes {
		if err := o.runJob(ctx, cl, run, keep, true); err != nil || o.DryRun {
			return err
		}
		if err := o.ask(ctx); err != nil {
			return err
		}
		// A run may have begun while the question was open.
		if run, keep, err = o.gather(ctx, cl, namespace); err != nil {
			return err
		}
	}
	return o.runJob(ctx, cl, run, keep, false)
}

// gather lists the runs and model versions and makes the keep list of them. It also returns the run whose checkpoint
// store, image and volumes the Job uses.
func (o *Options) gather(
	ctx context.Context, cl client.Client, namespace string,
) (*api.TrainingRun, wire.KeepList, error) {
	now := o.Now() // before the lists, which may lack a run that is created meanwhile
	in := namespace
	// --unknown reads all namespaces, because a run that this namespace does not have may be another namespace's.
	if o.All || o.Unknown {
		in = ""
	}
	var runs api.TrainingRunList
	var versions api.ModelVersionList
	if err := cl.List(ctx, &runs, client.InNamespace(in)); err != nil {
		return nil, wire.KeepList{}, fmt.Errorf("list runs in %s: %w", cluster.DescribeNamespace(in), err)
	}
	if err := cl.List(ctx, &versions, client.InNamespace(in)); err != nil {
		return nil, wire.KeepList{}, fmt.Errorf("list model versions in %s: %w", cluster.DescribeNamespace(in), err)
	}
	keep, err := keepList(runs.Items, versions.Items, o.OlderThan, o.Unknown, now)
	if err != nil {
		return nil, wire.KeepList{}, err
	}
	if o.Template != "" {
		run, err := cluster.GetRun(ctx, cl, namespace, o.Template)
		return run, keep, err
	}
	own := slices.DeleteFunc(runs.Items, func(r api.TrainingRun) bool { return r.Namespace != namespace })
	if len(own) == 0 {
		return nil, wire.KeepList{}, fmt.Errorf(
			"namespace %s has no run whose checkpoint store, image and volumes the Job could use\n"+
				"Prune in a namespace that has one: plumb prune -n NAMESPACE. "+
				"Or prune by hand on a machine that mounts the store: plumbline-trainer prune --help", namespace)
	}
	newest := slices.MaxFunc(own, func(a, b api.TrainingRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return &newest, keep, nil
}

// ask prints the question and blocks until it is answered. It returns an error unless the answer is yes.
func (o *Options) ask(ctx context.Context) error {
	fmt.Fprint(o.IO.ErrOut, "Remove everything that can be removed according to the log above? [y/N] ")
	answers := make(chan string, 1)
	go func() { // may never return, because a read from a terminal cannot be interrupted
		answer, _ := bufio.NewReader(o.IO.In).ReadString('\n') // the end of the input means no
		answers <- answer
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(o.IO.ErrOut, "\nNothing was removed")
		return ctx.Err()
	case answer := <-answers:
		if !strings.HasSuffix(answer, "\n") {
			fmt.Fprintln(o.IO.ErrOut)
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return errors.New("nothing was removed, because the answer was not yes\n" +
				"To remove without a question: plumb prune --yes" + o.Cluster.NamespaceFlag())
		}
		return nil
	}
}

// runJob creates the Job and its keep list, waits for the Job's end, and prints the Job's log.
func (o *Options) runJob(
	ctx context.Context, cl client.WithWatch, run *api.TrainingRun, keep wire.KeepList, dryRun bool,
) error {
	job, config, err := newJob(run, "plumb-prune-"+rand.String(5), keep, dryRun)
	if err != nil {
		return err
	}
	if err := cl.Create(ctx, config); err != nil {
		return fmt.Errorf("create ConfigMap %s, which holds the keep list: %w", config.Name, err)
	}
	if err := cl.Create(ctx, job); err != nil {
		err = fmt.Errorf("create Job %s: %w", job.Name, err)
		return errors.Join(err, cl.Delete(context.WithoutCancel(ctx), config))
	}
	config.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, BlockOwnerDeletion: ptr.To(false),
	}}
	if err := cl.Update(ctx, config); err != nil {
		fmt.Fprintf(o.IO.ErrOut, "ConfigMap %s will not be deleted together with Job %s, "+
			"because the Job could not be made its owner: %v\n"+
			"When the Job has ended: kubectl -n %s delete configmap %s\n",
			config.Name, job.Name, err, config.Namespace, config.Name)
	}
	fmt.Fprintf(o.IO.ErrOut, "Waiting for Job %s. If this takes long: kubectl -n %s describe job %s\n",
		job.Name, job.Namespace, job.Name)
	failed, err := o.untilEnded(ctx, cl, job)
	if err != nil {
		return err
	}
	if err := o.jobLog(ctx, cl, job); err != nil {
		fmt.Fprintln(o.IO.ErrOut, failure.Explain(err, ""))
	}
	if failed != "" {
		return jobFailed(job, failed, dryRun)
	}
	return nil
}

// jobFailed returns the error of a Job that failed. The error says what was removed, and where to read the cause.
func jobFailed(job *batchv1.Job, failed string, dryRun bool) error {
	removed := "Everything that its log lists as removed is removed; the rest is unchanged."
	if dryRun {
		removed = "Nothing was removed."
	}
	return fmt.Errorf("the Job %s failed: %s\n"+
		"%s The cause is in its log above, or in: kubectl -n %s logs job/%s. Correct it, then run plumb prune again",
		job.Name, text.Clean(failed), removed, job.Namespace, job.Name)
}

// untilEnded blocks until the Job has ended or the timeout has passed. failed is the reason why the Job failed, or
// empty if the Job succeeded.
func (o *Options) untilEnded(ctx context.Context, cl client.WithWatch, job *batchv1.Job) (failed string, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	ended := false
	err = follow.Object(ctx, cl, &batchv1.JobList{}, client.ObjectKeyFromObject(job), func(s follow.Sighting) {
		current, ok := s.Object.(*batchv1.Job)
		if !ok {
			return
		}
		if s.Gone {
			ended, failed = true, "it was deleted before it ended"
		}
		for _, c := range current.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				ended = true
				if c.Type == batchv1.JobFailed {
					failed = cmp.Or(c.Message, c.Reason, "its status gives no reason")
				}
			}
		}
		if ended {
			cancel()
		}
	})
	switch {
	case ended:
		return failed, nil
	case errors.Is(err, context.DeadlineExceeded):
		return "", failure.Timeoutf("the Job %s has not ended after %s\n"+
			"The Job continues in the cluster. If it begins more than %s after its keep list was made, "+
			"it fails and removes nothing; then run plumb prune again. "+
			"To see why it takes so long: kubectl -n %s describe job %s",
			job.Name, o.Timeout, wire.KeepMaxAge, job.Namespace, job.Name)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.IO.ErrOut, "Job %s continues in the cluster. To follow its log: kubectl -n %s logs -f job/%s. "+
			"To end it: kubectl -n %s delete job %s\n",
			job.Name, job.Namespace, job.Name, job.Namespace, job.Name)
	}
	return "", fmt.Errorf("wait for Job %s, which continues in the cluster: %w", job.Name, err)
}

// jobLog prints the log of the Job's newest pod.
func (o *Options) jobLog(ctx context.Context, cl client.Client, job *batchv1.Job) error {
	var pods corev1.PodList
	ofJob := client.MatchingLabels{batchv1.JobNameLabel: job.Name}
	if err := cl.List(ctx, &pods, client.InNamespace(job.Namespace), ofJob); err != nil {
		return fmt.Errorf("list the pods of Job %s: %w", job.Name, err)
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("read the log of Job %s: the Job has no pod", job.Name)
	}
	newest := slices.MaxFunc(pods.Items, func(a, b corev1.Pod) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	log, err := o.Cluster.OpenLog(ctx, job.Namespace, newest.Name, false)
	if err != nil {
		return fmt.Errorf("read the log of pod %s: %w", newest.Name, err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fmt.Fprintln(o.IO.Out, text.Printable(lines.Text()))
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the log of pod %s: %w", newest.Name, err)
	}
	return nil
}
