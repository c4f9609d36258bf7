package prune

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/exitcode"
	"plumbline.dev/plumbline/wire"
)

// jobCluster returns a program on a cluster with one run, old, that ended 31 days ago. In this cluster every Job has
// the condition end as soon as it is created. The second result is the address of a server that serves the pods' logs.
func jobCluster(t *testing.T, end batchv1.JobConditionType) (*clustertest.Program, string) {
	old := clustertest.Named(t, "finished", "old")
	old.Status.CompletionTime = &metav1.Time{Time: clustertest.Now.Add(-31 * day)}
	p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdPrune), Objects: []client.Object{old}}
	p.Funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if job, ok := o.(*batchv1.Job); ok {
			job.Status.Conditions = []batchv1.JobCondition{
				{Type: end, Status: corev1.ConditionTrue, Message: "Job has reached the specified backoff limit"},
			}
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: job.Namespace,
					Name:      job.Name + "-x",
					Labels:    map[string]string{batchv1.JobNameLabel: job.Name},
				},
			}
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
		jobs     []string // of each Job, the arguments beyond those that every Job has
		out, err []string
	}{
		"a dry run removes nothing": {
			args: "prune --dry-run",
			end:  batchv1.JobComplete,
			jobs: []string{"--dry-run"},
			out:  []string{"would remove     1.5 kB  x/y\n"},
			err: []string{
				"run old in namespace inspection: file:///checkpoints",
				"Runs that are left whole: 0. Older runs that are pruned: 1.",
			},
		},
		"a yes removes": {
			args: "prune",
			in:   "y\n",
			end:  batchv1.JobComplete,
			jobs: []string{"--dry-run", ""},
			err:  []string{"Remove everything that can be removed according to the log above? [y/N] "},
		},
		"no answer means no": {
			args: "prune",
			end:  batchv1.JobComplete,
			code: 1,
			jobs: []string{"--dry-run"},
			err:  []string{"Remove everything", "error: nothing was removed", "plumb prune --yes -n inspection"},
		},
		"--yes removes without a question": {args: "prune --yes", end: batchv1.JobComplete, jobs: []string{""}},
		"a Job that fails": {
			args: "prune --yes",
			end:  batchv1.JobFailed,
			code: 1,
			jobs: []string{""},
			out:  []string{"would remove"},
			err: []string{
				"Job plumb-prune-",
				"failed: Job has reached the specified backoff limit\n" +
					"Everything that its log lists as removed is removed",
			},
		},
		"a dry run that fails": {
			args: "prune",
			end:  batchv1.JobFailed,
			code: 1,
			jobs: []string{"--dry-run"},
			err: []string{
				"backoff limit\n" +
					"Nothing was removed. The cause is in its log above, " +
					"or in: kubectl -n inspection logs job/plumb-prune-",
			},
		},
		"a run that ended more recently is left whole": {
			args: "prune --older-than 800h --yes",
			end:  batchv1.JobComplete,
			jobs: []string{""},
			err:  []string{"Runs that are left whole: 1. Older runs that are pruned: 0."},
		},
		"a run that does not exist": {
			args: "prune --template-from nothing",
			code: 1,
			err:  []string{`run "nothing" does not exist`},
		},
		"a namespace without runs": {
			args: "prune -n nothing",
			code: 1,
			err:  []string{"namespace nothing has no run whose checkpoint store"},
		},
		"--yes and --dry-run together": {
			args: "prune --yes --dry-run",
			code: 2,
			err:  []string{"if any flags in the group [dry-run yes] are set"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, server := jobCluster(t, test.end)
			p.In = strings.NewReader(test.in)
			args := append([]string{"--server", server}, strings.Split(test.args, " ")...)
			if code := p.Run(t, args...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.Err.String())
			}
			clustertest.InOrder(t, "stdout", p.Out.String(), test.out)
			clustertest.InOrder(t, "stderr", p.Err.String(), test.err)
			if p.Client == nil { // the command line was refused
				return
			}
			var jobs batchv1.JobList
			if err := p.Client.List(t.Context(), &jobs); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, j := range jobs.Items {
				args := strings.Join(j.Spec.Template.Spec.Containers[0].Args, " ")
				args = strings.TrimPrefix(args, "prune --checkpoints /checkpoints --keep /plumbline/prune/keep.json")
				got = append(got, strings.TrimSpace(args))
				checkConfig(t, p.Client, j)
			}
			dryRuns := func(jobs []string) int { return strings.Count(strings.Join(jobs, ","), "--dry-run") }
			if len(got) != len(test.jobs) || dryRuns(got) != dryRuns(test.jobs) {
				t.Errorf("Jobs with the arguments %q, want %q", got, test.jobs)
			}
		})
	}
}

// interrupting is a standard input: instead of an answer, somebody presses Ctrl-C.
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
		"at the question": {
			args: "prune",
			end:  batchv1.JobComplete,
			err:  []string{"according to the log above? [y/N] \nNothing was removed\n"},
		},
		"while the Job runs": {
			args: "prune --yes",
			err: []string{
				"Job plumb-prune-",
				" continues in the cluster. To follow its log: kubectl -n inspection logs -f job/plumb-prune-",
				"To end it: kubectl -n inspection delete job",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, press := context.WithCancel(t.Context())
			defer press()
			p, server := jobCluster(t, test.end)
			p.Funcs.Watch = func(
				ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption,
			) (watch.Interface, error) {
				press() // prune watches only a Job that has not ended
				return c.Watch(ctx, list, opts...)
			}
			p.In = interrupting{press}
			args := append([]string{"--server", server}, strings.Split(test.args, " ")...)
			if code := p.RunContext(t, ctx, args...); code != exitcode.Interrupted {
				t.Errorf("exit code %d, want %d", code, exitcode.Interrupted)
			}
			clustertest.InOrder(t, "stderr", p.Err.String(), test.err)
		})
	}
}

// checkConfig checks that the ConfigMap with the Job's keep list exists, can be decoded, and is deleted with the Job.
func checkConfig(t *testing.T, c client.Client, j batchv1.Job) {
	t.Helper()
	var config corev1.ConfigMap
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(&j), &config); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeKeepList([]byte(config.Data[keepFile])); err != nil {
		t.Error(err)
	}
	if len(config.OwnerReferences) != 1 || config.OwnerReferences[0].Name != j.Name {
		t.Errorf("the keep list belongs to %+v", config.OwnerReferences)
	}
}
