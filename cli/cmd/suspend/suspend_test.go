package suspend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
)

func TestSuspendAndResumeChangeTheSpec(t *testing.T) {
	type spec struct {
		Suspend    *bool
		StopTrials []api.TrialName
	}
	for name, test := range map[string]struct {
		state    string
		spec     spec // before
		args     string
		code     int
		want     spec // after
		out, err []string
	}{
		"suspend": {
			state: "running",
			args:  "suspend erasers",
			want:  spec{Suspend: ptr.To(true)},
			out:   []string{"run erasers is suspended: its pods save checkpoints and end\n"},
			err:   []string{"plumb resume erasers -n inspection"},
		},
		"suspend a suspended run": {
			state: "running",
			spec:  spec{Suspend: ptr.To(true)},
			args:  "suspend erasers",
			want:  spec{Suspend: ptr.To(true)},
			out:   []string{"run erasers is already suspended"},
		},
		"suspend, for scripts": {
			state: "running",
			args:  "suspend erasers -o name",
			want:  spec{Suspend: ptr.To(true)},
			out:   []string{"trainingrun.plumbline.dev/erasers\n"},
		},
		"resume": {
			state: "running",
			spec:  spec{Suspend: ptr.To(true)},
			args:  "resume erasers",
			want:  spec{Suspend: ptr.To(false)},
			out:   []string{"run erasers resumes from its checkpoints"},
			err:   []string{"plumb watch erasers -n inspection"},
		},
		"resume a run that is not suspended": {
			state: "running",
			args:  "resume erasers",
			out:   []string{"run erasers is not suspended, so there is nothing to resume"},
		},
		"suspend a run that has ended": {
			state: "finished",
			args:  "suspend erasers",
			code:  1,
			err: []string{
				`run "erasers" has ended (Succeeded) and cannot be changed any more`,
				"plumb retry erasers -n inspection",
			},
		},
		"suspend a run that does not exist": {
			state: "running",
			args:  "suspend eraser",
			code:  1,
			err:   []string{`run "eraser" does not exist`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := clustertest.ReadRun(t, test.state)
			run.Spec.Suspend, run.Spec.StopTrials = test.spec.Suspend, test.spec.StopTrials
			p := &clustertest.Program{
				Tree:    clustertest.Verbs(NewCmdSuspend, NewCmdResume),
				Objects: []client.Object{run},
			}
			if code := p.Run(t, strings.Split(test.args, " ")...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.Err.String())
			}
			clustertest.InOrder(t, "stdout", p.Out.String(), test.out)
			clustertest.InOrder(t, "stderr", p.Err.String(), test.err)
			if p.Client == nil {
				return
			}
			var after api.TrainingRun
			if err := p.Client.Get(t.Context(), client.ObjectKeyFromObject(run), &after); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, spec{after.Spec.Suspend, after.Spec.StopTrials}); diff != "" {
				t.Errorf("spec:\n%s", diff)
			}
		})
	}
}
