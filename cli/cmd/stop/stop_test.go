package stop

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
)

func TestStopChangesTheSpec(t *testing.T) {
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
		"stop a trial": {state: "running", args: "stop erasers d152", want: spec{StopTrials: []api.TrialName{"d152"}},
			out: []string{"trial d152 of run erasers is being stopped: its pod saves a checkpoint and ends\n"}},
		"stop two trials, of which one is in the spec": {
			state: "running",
			spec:  spec{StopTrials: []api.TrialName{"d152"}},
			args:  "stop erasers d152 d101",
			want:  spec{StopTrials: []api.TrialName{"d152", "d101"}},
			out:   []string{"d152 of run erasers is already being stopped", "d101 of run erasers is being stopped:"},
		},
		"name one trial twice": {
			state: "running",
			args:  "stop erasers d101 d101",
			want:  spec{StopTrials: []api.TrialName{"d101"}},
		},
		"stop a trial, for scripts": {
			state: "running",
			args:  "stop erasers d152 -o json",
			want:  spec{StopTrials: []api.TrialName{"d152"}},
			out:   []string{`"kind": "TrainingRun"`, `"stopTrials": [`, `"d152"`},
		},
		"stop a trial that does not exist": {state: "running", args: "stop erasers d151", code: 1,
			err: []string{`run "erasers" has no trial "d151"`, "Its trials: d18, d34, d50, d101, d152"}},
		"stop a trial that has ended": {
			state: "running",
			args:  "stop erasers d18",
			code:  1,
			err:   []string{"trial d18 of run \"erasers\" has already ended: it is Succeeded"},
		},
		"stop a trial of a run that has ended": {
			state: "finished",
			args:  "stop erasers d18",
			code:  1,
			err:   []string{"has ended (Succeeded)"},
		},
		"stop without a trial": {
			state: "running",
			args:  "stop erasers",
			code:  2,
			err:   []string{"TRIAL is missing"},
		},
		"complete the trials that can be stopped": {
			state: "running",
			args:  "__complete stop erasers d50 ",
			out:   []string{"d34\tFinishing 8/8", "d101\tRunning 3/8", "d152"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := clustertest.ReadRun(t, test.state)
			run.Spec.Suspend, run.Spec.StopTrials = test.spec.Suspend, test.spec.StopTrials
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdStop), Objects: []client.Object{run}}
			tries := 0
			p.Funcs.Patch = func(
				ctx context.Context, c client.WithWatch,
				o client.Object, patch client.Patch, opts ...client.PatchOption,
			) error {
				if tries++; tries == 1 { // somebody else has changed the run first
					runs := api.GroupVersion.WithResource("trainingruns").GroupResource()
					return apierrors.NewConflict(runs, o.GetName(), nil)
				}
				return c.Patch(ctx, o, patch, opts...)
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
