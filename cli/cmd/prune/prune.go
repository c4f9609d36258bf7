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

// Options are what `plumb prune` was asked.
type Options struct {
	IO      *iostreams.IOStreams
	Cluster *cluster.Cluster
	Now     func() time.Time

	Template  string // "": the newest run
	OlderThan time.Duration
	All       bool
	Unknown   bool
	DryRun    bool
	Yes       bool
	Timeout   time.Duration
}

const help = `Remove checkpoints that no run and no model version needs, after showing which.

A Job with a run's image and volumes looks at the checkpoint store, and its log is printed; after a yes another one removes.

  Runs that have not ended, or not longer ago than --older-than, are left whole, and so is what a run goes on from.
  Of older runs go the checkpoints to resume from and the bests that were beaten. Each trial's best stays, and all that a
  ModelVersion names, as well as reports and event files.
  Decoded images go that nobody has used for as long.
  Directories of runs that this namespace (with -A: this cluster) does not know are left and listed, since another cluster or
  namespace may use the same store. When the runs were deleted, --unknown removes those directories that nothing has changed in for
  as long, but for what a ModelVersion or another run names. It reads all namespaces, and cannot see other clusters.

`

// NewCmdPrune returns `plumb prune`. runF, if not nil, receives the options instead of runPrune.
func NewCmdPrune(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	if runF == nil {
		runF = runPrune
	}
	o := &Options{IO: f.IO, Cluster: f.Cluster, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove checkpoints that no run and no model version needs",
		Long:  help + exitcode.Help,
		Example: `  plumb prune --dry-run                 # what would go
  plumb prune --older-than 72h          # show, ask, remove
  plumb prune --unknown --yes           # deleted runs' as well, without asking`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Template, "template-from", "",
		"the run whose checkpoint store is pruned, with its image and volumes (default the newest)")
	flags.DurationVar(&o.OlderThan, "older-than", 720*time.Hour,
		"leave runs that ended more recently, and images that were used")
	flags.BoolVarP(&o.All, "all-namespaces", "A", false, "look at the runs of all namespaces: they may share the store")
	flags.BoolVar(&o.Unknown, "unknown", false, "remove directories of runs that do not exist any more")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show what would go, and stop")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "remove without showing and asking first")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long to wait for each Job")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	_ = cmd.RegisterFlagCompletionFunc("template-from", f.Cluster.FlagCompletion(cluster.ProposeRuns, 0))
	return cmd
}

func runPrune(ctx context.Context, o *Options) error {
	switch {
	case o.OlderThan < 0:
		return failure.Usagef("--older-than %s is below 0", o.OlderThan)
	case o.Timeout <= 0:
		return failure.Usagef("--timeout %s is not above 0", o.Timeout)
	}
	cl, namespace, err := o.Cluster.Connect()
	if err != nil {
		return err
	}
	run, keep, err := o.gather(ctx, cl, namespace)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.IO.ErrOut, "The checkpoints of run %s: %s, in namespace %s. "+
		"Of %d runs all is kept, of %d only what is named: %d checkpoints\n",
		run.Name, text.Clean(string(run.Spec.Checkpoint.URI)), namespace,
		len(keep.Live), len(keep.Ended), len(keep.Checkpoints))
	if !o.Yes {
		if err := o.runJob(ctx, cl, run, keep, true); err != nil || o.DryRun {
			return err
		}
		if err := o.ask(ctx); err != nil {
			return err
		}
		if run, keep, err = o.gather(ctx, cl, namespace); err != nil { // a run may have begun meanwhile
			return err
		}
	}
	return o.runJob(ctx, cl, run, keep, false)
}

// gather reads all that the keep list depends on, and finds the run to take store, image and volumes from.
func (o *Options) gather(ctx context.Context, cl client.Client, namespace string) (*api.TrainingRun, wire.Keep, error) {
	now, in := o.Now(), namespace // before the lists: what is created meanwhile may be in none of them
	if o.All || o.Unknown {       // who takes strangers away must know everybody
		in = ""
	}
	var runs api.TrainingRunList
	var versions api.ModelVersionList
	if err := cl.List(ctx, &runs, client.InNamespace(in)); err != nil {
		return nil, wire.Keep{}, fmt.Errorf("list runs in %s: %w", cluster.DescribeNamespace(in), err)
	}
	if err := cl.List(ctx, &versions, client.InNamespace(in)); err != nil {
		return nil, wire.Keep{}, fmt.Errorf("list model versions in %s: %w", cluster.DescribeNamespace(in), err)
	}
	keep, err := keepList(runs.Items, versions.Items, o.OlderThan, o.Unknown, now)
	if err != nil {
		return nil, wire.Keep{}, err
	}
	if o.Template != "" {
		run, err := cluster.GetRun(ctx, cl, namespace, o.Template)
		return run, keep, err
	}
	own := slices.DeleteFunc(runs.Items, func(r api.TrainingRun) bool { return r.Namespace != namespace })
	if len(own) == 0 {
		return nil, wire.Keep{}, fmt.Errorf(
			"namespace %s has no run to take the store, the image and the volumes from\n"+
				"In a namespace that has: plumb prune -n NAMESPACE. "+
				"By hand, where the store is: plumbline-trainer prune --help", namespace)
	}
	newest := slices.MaxFunc(own, func(a, b api.TrainingRun) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return &newest, keep, nil
}

// ask waits for a yes.
func (o *Options) ask(ctx context.Context) error {
	fmt.Fprint(o.IO.ErrOut, "Remove these? [y/N] ")
	said := make(chan string, 1)
	go func() { // it may never come back: nothing ends a read from a terminal
		answer, _ := bufio.NewReader(o.IO.In).ReadString('\n') // an end is an answer, too: no
		said <- answer
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(o.IO.ErrOut, "\nNothing was removed")
		return ctx.Err()
	case answer := <-said:
		if !strings.HasSuffix(answer, "\n") {
			fmt.Fprintln(o.IO.ErrOut)
		}
		if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
			return errors.New("nothing was removed\nWithout a question: plumb prune --yes" + o.Cluster.NamespaceFlag())
		}
		return nil
	}
}

// runJob makes the Job, waits for its end, and prints its log.
func (o *Options) runJob(
	ctx context.Context, cl client.WithWatch, run *api.TrainingRun, keep wire.Keep, dryRun bool,
) error {
	job, config, err := newJob(run, "plumb-prune-"+rand.String(5), keep, dryRun)
	if err != nil {
		return err
	}
	if err := cl.Create(ctx, config); err != nil {
		return fmt.Errorf("create the keep list, ConfigMap %s: %w", config.Name, err)
	}
	if err := cl.Create(ctx, job); err != nil {
		err = fmt.Errorf("create Job %s: %w", job.Name, err)
		return errors.Join(err, cl.Delete(context.WithoutCancel(ctx), config))
	}
	config.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, BlockOwnerDeletion: ptr.To(false),
	}}
	if err := cl.Update(ctx, config); err != nil { // it would stay behind
		fmt.Fprintf(o.IO.ErrOut, "ConfigMap %s must be deleted by hand: %v\n", config.Name, err)
	}
	fmt.Fprintf(o.IO.ErrOut, "Job %s is at work; if it takes long: kubectl -n %s describe job %s\n",
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

// jobFailed says what has become of the store, and where to read why.
func jobFailed(job *batchv1.Job, failed string, dryRun bool) error {
	next := "What its log lists as removed is gone, the rest is as it was. " +
		"Put right what is said above, then plumb prune again"
	if dryRun {
		next = fmt.Sprintf("Nothing was removed. Why is in its log, above, or: kubectl -n %s logs job/%s",
			job.Namespace, job.Name)
	}
	return fmt.Errorf("the Job %s failed: %s\n%s", job.Name, text.Clean(failed), next)
}

// untilEnded says why the Job failed, or "".
func (o *Options) untilEnded(ctx context.Context, cl client.WithWatch, job *batchv1.Job) (failed string, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	over := false
	err = follow.Object(ctx, cl, &batchv1.JobList{}, client.ObjectKeyFromObject(job), func(s follow.Sighting) {
		seen, ok := s.Object.(*batchv1.Job)
		if !ok {
			return
		}
		if s.Gone {
			over, failed = true, "it was deleted"
		}
		for _, c := range seen.Status.Conditions {
			if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
				over = true
				if c.Type == batchv1.JobFailed {
					failed = cmp.Or(c.Message, c.Reason, "it does not say why")
				}
			}
		}
		if over {
			cancel()
		}
	})
	switch {
	case over:
		return failed, nil
	case errors.Is(err, context.DeadlineExceeded):
		return "", failure.Timeoutf("the Job %s has not ended after %s\n"+
			"It goes on, but removes nothing if it begins later than %s after its list was made: "+
			"then plumb prune again. Why it takes so long: kubectl -n %s describe job %s",
			job.Name, o.Timeout, wire.KeepMaxAge, job.Namespace, job.Name)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.IO.ErrOut, "Job %s goes on. What it says: kubectl -n %s logs -f job/%s. "+
			"To end it: kubectl -n %s delete job %s\n",
			job.Name, job.Namespace, job.Name, job.Namespace, job.Name)
	}
	return "", fmt.Errorf("wait for Job %s, which goes on: %w", job.Name, err)
}

// jobLog prints the log of the Job's newest pod.
func (o *Options) jobLog(ctx context.Context, cl client.Client, job *batchv1.Job) error {
	var pods corev1.PodList
	ofJob := client.MatchingLabels{batchv1.JobNameLabel: job.Name}
	if err := cl.List(ctx, &pods, client.InNamespace(job.Namespace), ofJob); err != nil {
		return fmt.Errorf("list the pods of Job %s: %w", job.Name, err)
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("the Job %s has no pod, so no log", job.Name)
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
