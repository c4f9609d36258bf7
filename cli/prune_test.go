package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/podspec"
	"plumbline.dev/plumbline/wire"
)

const day = 24 * time.Hour

// kept is a run with one trial whose best lies in a run's directory; ended that long ago, or not at all with -1.
func kept(uid string, endedAgo time.Duration, bestIn string) api.TrainingRun {
	r := api.TrainingRun{ObjectMeta: metav1.ObjectMeta{Name: "run-" + uid, Namespace: "inspection", UID: types.UID(uid)}}
	if endedAgo >= 0 {
		r.Status.CompletionTime = &metav1.Time{Time: noon.Add(-endedAgo)}
		r.Status.Conditions = []metav1.Condition{{Type: api.ConditionSucceeded, Status: metav1.ConditionTrue}}
	}
	if bestIn != "" {
		best := api.BestMetrics{Checkpoint: api.CheckpointRef{URI: "file:///checkpoints/" + bestIn + "/d50/d50-a1-p/best-e0007"}}
		r.Status.Trials = []api.TrialStatus{{Name: "d50", Best: &best}}
	}
	return r
}

func TestWhatAPruneMustLeave(t *testing.T) {
	goesOn := func(r api.TrainingRun, from string) api.TrainingRun {
		r.Spec.Checkpoint.ResumeFrom = ptr.To(from)
		return r
	}
	version := api.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: "eraser-v1", Namespace: "inspection"},
		Spec: api.ModelVersionSpec{Checkpoint: api.CheckpointRef{URI: "file:///mnt/store/gone/d18/d18-a2-q/best-e0003"}}}
	place := func(uid string) string { return uid + "/d50/d50-a1-p/best-e0007" }
	noTime := kept("a", 40*day, "")
	noTime.Status.CompletionTime = nil
	for name, test := range map[string]struct {
		runs     []api.TrainingRun
		versions []api.ModelVersion
		want     wire.Keep
		err      string
	}{
		"a live run is whole": {runs: []api.TrainingRun{kept("a", -1, "a")},
			want: wire.Keep{Live: []string{"a"}, Checkpoints: []string{place("a")}}},
		"so is one that ended lately": {runs: []api.TrainingRun{kept("a", 29*day, "a")},
			want: wire.Keep{Live: []string{"a"}, Checkpoints: []string{place("a")}}},
		"and one that does not say when": {runs: []api.TrainingRun{noTime}, want: wire.Keep{Live: []string{"a"}}},
		"of an older one the bests stay": {runs: []api.TrainingRun{kept("b", 31*day, "b"), kept("a", 30*day, "a")},
			want: wire.Keep{Ended: []string{"a", "b"}, Checkpoints: []string{place("a"), place("b")}}},
		"what a live run goes on from is whole": {runs: []api.TrainingRun{kept("a", 40*day, "a"), goesOn(kept("b", -1, ""), "a"), goesOn(kept("c", -1, ""), "gone")},
			want: wire.Keep{Live: []string{"a", "b", "c", "gone"}, Checkpoints: []string{place("a")}}},
		"a best in an older run's directory stays": {runs: []api.TrainingRun{kept("a", 40*day, ""), goesOn(kept("b", 35*day, "a"), "a")},
			want: wire.Keep{Ended: []string{"a", "b"}, Checkpoints: []string{place("a")}}},
		"what was promoted stays, although its run is gone": {versions: []api.ModelVersion{version},
			want: wire.Keep{Checkpoints: []string{"gone/d18/d18-a2-q/best-e0003"}}},
		"a checkpoint that cannot be understood ends it": {runs: []api.TrainingRun{kept("a", 40*day, "a/..")},
			err: `trial d50 of run inspection/run-a names the checkpoint "file:///checkpoints/a/../d50/d50-a1-p/best-e0007"`},
	} {
		got, err := keepList(test.runs, test.versions, 30*day, false, noon)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", name, err, test.err)
			}
			continue
		}
		test.want.Version, test.want.Made, test.want.IdleSeconds = wire.Version, noon, 30*24*3600
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v\n%s", name, err, diff)
		}
		text, err := json.Marshal(got)
		if err == nil {
			_, err = wire.DecodeKeep(text)
		}
		if err != nil {
			t.Errorf("%s: the trainer would refuse it: %v", name, err)
		}
	}
}

// pruneCluster ends every Job at once, as told, and has a log for each.
func pruneCluster(t *testing.T, end batchv1.JobConditionType) (*program, string) {
	old := named(t, "finished", "old")
	old.Status.CompletionTime = &metav1.Time{Time: noon.Add(-31 * day)}
	p := &program{objects: []client.Object{old}}
	p.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if job, ok := o.(*batchv1.Job); ok {
			job.Status.Conditions = []batchv1.JobCondition{{Type: end, Status: corev1.ConditionTrue, Message: "Job has reached the specified backoff limit"}}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name + "-x", Labels: map[string]string{batchv1.JobNameLabel: job.Name}}}
			if err := c.Create(ctx, pod); err != nil {
				return err
			}
		}
		return c.Create(ctx, o, opts...)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "would remove     1.5 kB  x\x1b[2J/y")
	}))
	t.Cleanup(server.Close)
	return p, server.URL
}

func TestPruneShowsAsksAndRemoves(t *testing.T) {
	for name, test := range map[string]struct {
		args, in string
		end      batchv1.JobConditionType
		code     int
		jobs     []string // what each was told beyond the usual
		out, err []string
	}{
		"a dry run shows": {args: "prune --dry-run", end: batchv1.JobComplete, jobs: []string{"--dry-run"},
			out: []string{"would remove     1.5 kB  x/y\n"}, err: []string{"run old: file:///checkpoints", "Of 0 runs all is kept, of 1 only what is named"}},
		"a yes removes":           {args: "prune", in: "y\n", end: batchv1.JobComplete, jobs: []string{"--dry-run", ""}, err: []string{"Remove these? [y/N] "}},
		"nothing said is a no":    {args: "prune", end: batchv1.JobComplete, code: 1, jobs: []string{"--dry-run"}, err: []string{"Remove these?", "error: nothing was removed", "plumb prune --yes -n inspection"}},
		"yes beforehand asks not": {args: "prune --yes", end: batchv1.JobComplete, jobs: []string{""}},
		"a Job that fails": {args: "prune --yes", end: batchv1.JobFailed, code: 1, jobs: []string{""},
			out: []string{"would remove"}, err: []string{"the Job plumb-prune-", "failed: Job has reached the specified backoff limit\nWhat its log lists as removed is gone"}},
		"a dry run that fails": {args: "prune", end: batchv1.JobFailed, code: 1, jobs: []string{"--dry-run"},
			err: []string{"backoff limit\nNothing was removed. Why is in its log, above, or: kubectl -n inspection logs job/plumb-prune-"}},
		"all that is younger is left": {args: "prune --older-than 800h --yes", end: batchv1.JobComplete, jobs: []string{""}, err: []string{"Of 1 runs all is kept, of 0"}},
		"a run that is not there":     {args: "prune --template-from nothing", code: 1, err: []string{`run "nothing" does not exist`}},
		"a namespace without runs":    {args: "prune -n nothing", code: 1, err: []string{"namespace nothing has no run to take the store"}},
		"both at once":                {args: "prune --yes --dry-run", code: 2, err: []string{"if any flags in the group [dry-run yes] are set"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, server := pruneCluster(t, test.end)
			p.in = test.in
			if code := p.run(t, append([]string{"--server", server}, strings.Split(test.args, " ")...)...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.err.String())
			}
			inOrder(t, "stdout", p.out.String(), test.out)
			inOrder(t, "stderr", p.err.String(), test.err)
			if p.client == nil { // the command line was refused
				return
			}
			var jobs batchv1.JobList
			if err := p.client.List(t.Context(), &jobs); err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, j := range jobs.Items {
				args := strings.Join(j.Spec.Template.Spec.Containers[0].Args, " ")
				told = append(told, strings.TrimSpace(strings.TrimPrefix(args, "prune --checkpoints /checkpoints --keep /plumbline/prune/keep.json")))
				checkConfig(t, p.client, j)
			}
			if len(told) != len(test.jobs) || strings.Count(strings.Join(told, ","), "--dry-run") != strings.Count(strings.Join(test.jobs, ","), "--dry-run") {
				t.Errorf("Jobs with %q, want %q", told, test.jobs)
			}
		})
	}
}

// interrupting is standard input on which somebody presses Ctrl-C in place of an answer.
type interrupting struct{ press context.CancelFunc }

func (i interrupting) Read([]byte) (int, error) {
	i.press()
	select {}
}

func TestCtrlCEndsAPrune(t *testing.T) {
	for name, test := range map[string]struct {
		args string
		end  batchv1.JobConditionType
		err  []string
	}{
		"at the question":    {args: "prune", end: batchv1.JobComplete, err: []string{"Remove these? [y/N] \nNothing was removed\n"}},
		"while the Job runs": {args: "prune --yes", err: []string{"Job plumb-prune-", " goes on. What it says: kubectl -n inspection logs -f job/plumb-prune-", "To end it: kubectl -n inspection delete job"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, press := context.WithCancel(t.Context())
			defer press()
			p, server := pruneCluster(t, test.end)
			p.funcs.Watch = func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
				press() // only a Job that has not ended is watched
				return c.Watch(ctx, list, opts...)
			}
			c := newCluster(genericiooptions.IOStreams{In: interrupting{press}, Out: &p.out, ErrOut: &p.err})
			c.dial, c.now = p.dial, func() time.Time { return noon }
			args := append([]string{"plumb", "--server", server, "-n", "inspection"}, strings.Split(test.args, " ")...)
			if code := run(ctx, c, args); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			inOrder(t, "stderr", p.err.String(), test.err)
		})
	}
}

// checkConfig: a Job's keep list is there, can be read, and goes with it.
func checkConfig(t *testing.T, c client.Client, j batchv1.Job) {
	t.Helper()
	var config corev1.ConfigMap
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(&j), &config); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeKeep([]byte(config.Data[keepFile])); err != nil {
		t.Error(err)
	}
	if len(config.OwnerReferences) != 1 || config.OwnerReferences[0].Name != j.Name {
		t.Errorf("the keep list belongs to %+v", config.OwnerReferences)
	}
}

func TestAPruneJobAsksForNoMoreThanItNeeds(t *testing.T) {
	run := named(t, "finished", "old")
	run.Labels = map[string]string{podspec.QueueLabel: "gpus"}
	run.Spec.Template.NodeSelector = map[string]string{"gpu": "h100"}
	job, config, err := pruneJob(run, "plumb-prune-x", wire.Keep{}, false)
	if err != nil {
		t.Fatal(err)
	}
	pod := job.Spec.Template.Spec
	c := pod.Containers[0]
	if _, gpu := c.Resources.Limits[api.ResourceGPU]; gpu || pod.NodeSelector != nil || *pod.AutomountServiceAccountToken || !*c.SecurityContext.ReadOnlyRootFilesystem || !*pod.SecurityContext.RunAsNonRoot {
		t.Errorf("pod %+v", pod)
	}
	if _, queued := config.Labels[podspec.QueueLabel]; queued || job.Labels[podspec.QueueLabel] != "gpus" || c.Image != run.Spec.Template.Image {
		t.Errorf("labels %v and %v, image %s", job.Labels, config.Labels, c.Image)
	}
}
