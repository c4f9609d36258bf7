package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	api "plumbline.dev/plumbline/api/v1alpha1"
)

// logsOptions are what `plumb logs` was asked.
type logsOptions struct {
	*cluster
	name   string
	trial  string // "" for all
	follow bool
}

func newLogsCmd(c *cluster) *cobra.Command {
	o := &logsOptions{cluster: c}
	cmd := &cobra.Command{
		Use:   "logs RUN [TRIAL]",
		Short: "Print the log of a trial's newest pod, or of all trials' with their names before each line",
		Example: `  plumb logs erasers d50 -f
  plumb logs erasers`,
		Args:              arguments(1, "RUN", "TRIAL"),
		ValidArgsFunction: c.completion(proposeRuns, proposeTrials),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.name = args[0]; len(args) == 2 {
				o.trial = args[1]
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on as the pod writes, until it ends")
	return cmd
}

func (o *logsOptions) run(ctx context.Context) error {
	cl, namespace, err := o.connect()
	if err != nil {
		return err
	}
	r, err := getRun(ctx, cl, namespace, o.name)
	if err != nil {
		return err
	}
	if o.trial != "" {
		t := findTrial(r, o.trial)
		switch {
		case t == nil:
			return fmt.Errorf("run %q has no trial %q\nIts trials: %s", r.Name, o.trial, trialNames(r))
		case t.Pod == "":
			return fmt.Errorf("trial %s has no pod yet: it is %s\nFollow the run: plumb watch %s%s", t.Name, t.Phase, r.Name, o.inNamespace())
		}
		return o.podLog(ctx, r, *t, o.Out)
	}
	if !slices.ContainsFunc(r.Status.Trials, func(t api.TrialStatus) bool { return t.Pod != "" }) {
		return o.noPods(r)
	}
	return o.allLogs(ctx, r)
}

// noPods says how the run stands: without a word it would seem that the pods had written nothing.
func (o *logsOptions) noPods(r *api.TrainingRun) error {
	yet := " yet"
	if over, _ := ended(r); over {
		yet = ""
	}
	return fmt.Errorf("run %q has no pods%s: it is %s\nWhy: plumb watch %s%s", r.Name, yet, phaseOf(r), r.Name, o.inNamespace())
}

// allLogs prints every trial's log, line by line with the trial's name; one that cannot be read does not end the others.
func (o *logsOptions) allLogs(ctx context.Context, r *api.TrainingRun) error {
	var mu sync.Mutex
	var g errgroup.Group
	for _, t := range r.Status.Trials {
		if t.Pod == "" {
			continue
		}
		log, pipe := io.Pipe()
		g.Go(func() error {
			err := o.podLog(ctx, r, t, pipe)
			pipe.Close()
			if err != nil {
				fmt.Fprintln(o.ErrOut, explain(err, ""))
				return reported{err}
			}
			return nil
		})
		g.Go(func() error { return prefix(log, o.Out, pad(t.Name, 5, false), &mu) })
	}
	return g.Wait()
}

// prefix copies lines of any length from r to w, each whole.
func prefix(r *io.PipeReader, w io.Writer, name string, mu *sync.Mutex) error {
	defer r.Close()
	lines := bufio.NewReader(r)
	for {
		l, err := lines.ReadString('\n')
		if l != "" {
			mu.Lock()
			_, werr := fmt.Fprintf(w, "%s %s\n", name, clean(l))
			mu.Unlock()
			if werr != nil {
				return werr
			}
		}
		if err != nil {
			return nil // the pipe's end: podLog says what went wrong
		}
	}
}

// podLog copies the log of a trial's newest pod to w.
func (o *logsOptions) podLog(ctx context.Context, r *api.TrainingRun, t api.TrialStatus, w io.Writer) error {
	log, err := o.openLog(ctx, r.Namespace, t.Pod, o.follow)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("pod %s of trial %s is gone, and its log with it\nWhat became of the trial: plumb watch %s%s", t.Pod, t.Name, r.Name, o.inNamespace())
	case err != nil:
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	defer log.Close()
	if _, err := io.Copy(w, log); err != nil {
		return fmt.Errorf("read the log of pod %s: %w", t.Pod, err)
	}
	return nil
}

// openLog streams the log of a pod.
func (c *cluster) openLog(ctx context.Context, namespace, pod string, follow bool) (io.ReadCloser, error) {
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	cfg.APIPath, cfg.GroupVersion = "/api", &corev1.SchemeGroupVersion
	cfg.NegotiatedSerializer = clientscheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	return rc.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
		VersionedParams(&corev1.PodLogOptions{Follow: follow}, clientscheme.ParameterCodec).Stream(ctx)
}
