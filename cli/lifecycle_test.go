package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

func TestTheLifeOfARunIsChangedByItsSpec(t *testing.T) {
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
		"suspend": {state: "running", args: "suspend erasers", want: spec{Suspend: ptr.To(true)},
			out: []string{"run erasers is suspended: its pods save themselves and end\n"}, err: []string{"plumb resume erasers -n inspection"}},
		"suspend again": {state: "running", spec: spec{Suspend: ptr.To(true)}, args: "suspend erasers", want: spec{Suspend: ptr.To(true)},
			out: []string{"run erasers is suspended already"}},
		"suspend, for scripts": {state: "running", args: "suspend erasers -o name", want: spec{Suspend: ptr.To(true)}, out: []string{"trainingrun.plumbline.dev/erasers\n"}},
		"resume": {state: "running", spec: spec{Suspend: ptr.To(true)}, args: "resume erasers", want: spec{Suspend: ptr.To(false)},
			out: []string{"run erasers goes on from its checkpoints"}, err: []string{"plumb watch erasers -n inspection"}},
		"resume what is not suspended": {state: "running", args: "resume erasers", out: []string{"run erasers is not suspended already"}},
		"suspend what has ended": {state: "finished", args: "suspend erasers", code: 1,
			err: []string{`run "erasers" has ended (Succeeded), which nothing changes`, "plumb retry erasers -n inspection"}},
		"suspend what is not there": {state: "running", args: "suspend eraser", code: 1, err: []string{`run "eraser" does not exist`}},
		"stop a trial": {state: "running", args: "stop erasers d152", want: spec{StopTrials: []api.TrialName{"d152"}},
			out: []string{"trial d152 of run erasers is stopped: its pod saves itself and ends\n"}},
		"stop two, of which one is named": {state: "running", spec: spec{StopTrials: []api.TrialName{"d152"}}, args: "stop erasers d152 d101",
			want: spec{StopTrials: []api.TrialName{"d152", "d101"}}, out: []string{"d152 of run erasers is being stopped already", "d101 of run erasers is stopped"}},
		"stop one twice": {state: "running", args: "stop erasers d101 d101", want: spec{StopTrials: []api.TrialName{"d101"}}},
		"stop a trial, for scripts": {state: "running", args: "stop erasers d152 -o json", want: spec{StopTrials: []api.TrialName{"d152"}},
			out: []string{`"kind": "TrainingRun"`, `"stopTrials": [`, `"d152"`}},
		"stop a trial that there is not": {state: "running", args: "stop erasers d151", code: 1,
			err: []string{`run "erasers" has no trial "d151"`, "Its trials: d18, d34, d50, d101, d152"}},
		"stop a trial that has ended":  {state: "running", args: "stop erasers d18", code: 1, err: []string{"trial d18 of run \"erasers\" has ended: it is Succeeded"}},
		"stop in a run that has ended": {state: "finished", args: "stop erasers d18", code: 1, err: []string{"has ended (Succeeded)"}},
		"stop what":                    {state: "running", args: "stop erasers", code: 2, err: []string{"TRIAL is missing"}},
		"propose what can be stopped":  {state: "running", args: "__complete stop erasers d50 ", out: []string{"d34\tFinishing 8/8", "d101\tRunning 3/8", "d152"}},
	} {
		t.Run(name, func(t *testing.T) {
			run := readRun(t, test.state)
			run.Spec.Suspend, run.Spec.StopTrials = test.spec.Suspend, test.spec.StopTrials
			p := &program{objects: []client.Object{run}}
			tries := 0
			p.funcs.Patch = func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
				if tries++; tries == 1 && strings.HasPrefix(test.args, "stop ") { // somebody else was faster
					return apierrors.NewConflict(api.GroupVersion.WithResource("trainingruns").GroupResource(), o.GetName(), nil)
				}
				return c.Patch(ctx, o, patch, opts...)
			}
			if code := p.run(t, strings.Split(test.args, " ")...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.err.String())
			}
			inOrder(t, "stdout", p.out.String(), test.out)
			inOrder(t, "stderr", p.err.String(), test.err)
			if p.client == nil {
				return
			}
			var after api.TrainingRun
			if err := p.client.Get(t.Context(), client.ObjectKeyFromObject(run), &after); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, spec{after.Spec.Suspend, after.Spec.StopTrials}); diff != "" {
				t.Errorf("spec:\n%s", diff)
			}
		})
	}
}

func TestRetryMakesARunThatGoesOn(t *testing.T) {
	failed := func(t *testing.T) *api.TrainingRun { // d152 failed in epoch 7, d101 before its first
		r := readRun(t, "finished")
		d101 := findTrial(r, "d101")
		d101.Phase, d101.Epoch, d101.Best = api.TrialFailed, 0, nil
		r.Labels = map[string]string{"kueue.x-k8s.io/queue-name": "gpus"}
		r.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "team": "vision"}
		r.Spec.Suspend, r.Spec.StopTrials = ptr.To(false), []api.TrialName{"d34"}
		r.Spec.Overrides = []api.DepthOverride{{Depth: 152, BatchSize: ptr.To(int32(8))}, {Depth: 18, Epochs: ptr.To(int32(8))}}
		return r
	}
	for name, test := range map[string]struct {
		state, args string
		code        int
		created     string // its name
		check       func(*api.TrainingRun) bool
		out, err    []string
	}{
		"all of a run": {state: "finished", args: "retry erasers", created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				return *r.Spec.Checkpoint.ResumeFrom == "6f0c5a52-0f3c-4e6e-9a60-5f4e1f6b9d11" && len(r.Spec.Depths) == 5 && r.Status.Phase == ""
			},
			out: []string{"run erasers-r1 goes on from the checkpoints of erasers: d18, d34, d50, d101, d152\n"}, err: []string{"plumb watch erasers-r1 -n inspection"}},
		"a trial left nothing": {args: "retry erasers", code: 1,
			err: []string{`d101 of run "erasers" probably left no checkpoint`, "plumb retry erasers --depths 18,34,50,152 -n inspection", "plumb retry erasers --depths 101 --anew -n inspection", "resumeFrom: 6f0c5a52"}},
		"the others": {args: "retry erasers --depths 18,34", created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				_, applied := r.Annotations[corev1.LastAppliedConfigAnnotation]
				return len(r.Spec.Depths) == 2 && len(r.Spec.Overrides) == 1 && r.Spec.Suspend == nil && r.Spec.StopTrials == nil &&
					r.Labels["kueue.x-k8s.io/queue-name"] == "gpus" && r.Annotations["team"] == "vision" && !applied
			}},
		"one from nothing": {args: "retry erasers --depths 101 --anew --name again", created: "again",
			check: func(r *api.TrainingRun) bool { return r.Spec.Checkpoint.ResumeFrom == nil }, out: []string{"run again begins from nothing: d101\n"}},
		"more epochs": {args: "retry erasers --depths 18 --epochs 12 -o name", created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				return *r.Spec.Hyperparameters.Epochs == 12 && r.Spec.Overrides[0].Epochs == nil
			},
			out: []string{"trainingrun.plumbline.dev/erasers-r1\n"}},
		"fewer epochs":              {args: "retry erasers --depths 18 --epochs 7", code: 2, err: []string{"--epochs 7 is below the 8 that d18 was to train"}},
		"a depth that was none":     {args: "retry erasers --depths 19", code: 2, err: []string{`has no trial d19`}},
		"a name that is taken":      {state: "finished", args: "retry erasers --name taken", code: 1, err: []string{`run "taken" exists already`}},
		"a run that has not ended":  {state: "running", args: "retry erasers", code: 1, err: []string{"has not ended: it is Running", "plumb stop erasers -n inspection d18 d34 d50 d101 d152"}},
		"the next number is taken":  {state: "finished", args: "retry taken-r1", created: "taken-r3"},
		"a name as long as it gets": {state: "finished", args: "retry " + strings.Repeat("x", 40), created: strings.Repeat("x", 37) + "-r1"},
	} {
		t.Run(name, func(t *testing.T) {
			run := failed(t)
			if test.state != "" {
				run = readRun(t, test.state)
			}
			first, second, long := named(t, "finished", "taken-r1"), named(t, "finished", "taken-r2"), named(t, "finished", strings.Repeat("x", 40))
			p := &program{objects: []client.Object{run, named(t, "finished", "taken"), first, second, long}}
			if code := p.run(t, strings.Split(test.args, " ")...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.err.String())
			}
			inOrder(t, "stdout", p.out.String(), test.out)
			inOrder(t, "stderr", p.err.String(), test.err)
			var all api.TrainingRunList
			if err := p.client.List(t.Context(), &all); err != nil {
				t.Fatal(err)
			}
			if want := len(p.objects) + min(1, len(test.created)); len(all.Items) != want {
				t.Fatalf("%d runs, want %d", len(all.Items), want)
			}
			if test.created == "" {
				return
			}
			var r api.TrainingRun
			if err := p.client.Get(t.Context(), client.ObjectKey{Namespace: "inspection", Name: test.created}, &r); err != nil {
				t.Fatal(err)
			}
			if test.check != nil && !test.check(&r) {
				t.Errorf("created %+v", r)
			}
		})
	}
}

func TestMoreEpochsLeaveThePhasesAsTheyWere(t *testing.T) {
	whole := func(i int) *int32 { return ptr.To(int32(i)) }
	for name, test := range map[string]struct {
		before       api.Hyperparameters
		scratch      bool
		overrides    []api.DepthOverride
		args         string
		code         int
		head, warmup *int32
		err          []string
	}{
		"a head that was cut stays cut":          {before: api.Hyperparameters{Epochs: whole(5)}, args: "--epochs 30", head: whole(2), warmup: whole(2)},
		"so does a warmup":                       {before: api.Hyperparameters{Epochs: whole(4)}, args: "--epochs 30", head: whole(2), warmup: whole(1)},
		"from random weights there is no head":   {before: api.Hyperparameters{Epochs: whole(2)}, scratch: true, args: "--epochs 30", head: whole(0), warmup: whole(1)},
		"what was not cut is left to the preset": {before: api.Hyperparameters{Epochs: whole(10)}, args: "--epochs 30"},
		"and so is a preset without phases":      {before: api.Hyperparameters{Epochs: whole(1), Preset: ptr.To("paper")}, args: "--epochs 30"},
		"what was given stays":                   {before: api.Hyperparameters{Epochs: whole(5), HeadEpochs: whole(1), WarmupEpochs: whole(0)}, args: "--epochs 30", head: whole(1), warmup: whole(0)},
		"beside what was given":                  {before: api.Hyperparameters{Epochs: whole(3), HeadEpochs: whole(1)}, args: "--epochs 30", head: whole(1), warmup: whole(1)},
		"as many epochs":                         {before: api.Hyperparameters{Epochs: whole(5)}, args: ""},
		"from nothing the preset decides":        {before: api.Hyperparameters{Epochs: whole(5)}, args: "--epochs 30 --anew"},
		"trials that differ": {overrides: []api.DepthOverride{{Depth: 152, Epochs: whole(5)}, {Depth: 18, Epochs: whole(5)}}, args: "--epochs 60", code: 1,
			err: []string{"d18, d152 headEpochs 2 and warmupEpochs 2; d34, d50, d101 headEpochs 3 and warmupEpochs 2",
				"plumb retry erasers --depths 18,152 --epochs 60 -n inspection, plumb retry erasers --depths 34,50,101 --epochs 60 -n inspection"}},
		"one of those that differ": {overrides: []api.DepthOverride{{Depth: 152, Epochs: whole(5)}}, args: "--depths 152 --epochs 60", head: whole(2), warmup: whole(2)},
	} {
		t.Run(name, func(t *testing.T) {
			run := readRun(t, "finished")
			run.Spec.Hyperparameters, run.Spec.Overrides = &test.before, test.overrides
			if !test.scratch {
				run.Spec.Pretrained = &api.Pretrained{URI: "file:///weights/resnet{depth}.safetensors"}
			}
			p := &program{objects: []client.Object{run}}
			if code := p.run(t, strings.Fields("retry erasers --name next "+test.args)...); code != test.code {
				t.Fatalf("exit code %d, want %d: %s", code, test.code, p.err.String())
			}
			inOrder(t, "stderr", p.err.String(), test.err)
			if test.code != 0 {
				return
			}
			var next api.TrainingRun
			if err := p.client.Get(t.Context(), client.ObjectKey{Namespace: "inspection", Name: "next"}, &next); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]*int32{test.head, test.warmup}, []*int32{next.Spec.Hyperparameters.HeadEpochs, next.Spec.Hyperparameters.WarmupEpochs}); diff != "" {
				t.Errorf("headEpochs and warmupEpochs:\n%s", diff)
			}
			for _, d := range next.Spec.Depths {
				was, _ := phasesOf(run, d)
				if is, err := phasesOf(&next, d); err != nil || !strings.Contains(test.args, "--anew") && is != was {
					t.Errorf("d%d had %+v and will have %+v, error %v: its checkpoint would be refused", d, was, is, err)
				}
			}
		})
	}
}

func TestWhichTrialsHaveSavedThemselves(t *testing.T) {
	interrupted := []api.AttemptStatus{{Number: 1, Class: string(wire.ClassInterrupted)}, {Number: 2, Class: string(wire.ClassCrash)}}
	for name, test := range map[string]struct {
		trial api.TrialStatus
		every int32
		want  bool
	}{
		"one that crashed in its first epoch":          {api.TrialStatus{Epochs: 8}, 1, false},
		"one that crashed in its second":               {api.TrialStatus{Epoch: 1, Epochs: 8}, 1, true},
		"one that saves every other epoch":             {api.TrialStatus{Epoch: 1, Epochs: 8, Best: &api.BestMetrics{Epoch: 1}}, 2, false},
		"and has come that far":                        {api.TrialStatus{Epoch: 3, Epochs: 8}, 2, true},
		"one that was interrupted in its first epoch":  {api.TrialStatus{Epochs: 8, Attempts: interrupted}, 1, true},
		"one that has trained its last":                {api.TrialStatus{Epoch: 3, Epochs: 3}, 5, true},
		"one that was done early, with patience":       {api.TrialStatus{Phase: api.TrialSucceeded, Epoch: 4, Epochs: 8}, 5, true},
		"one that has told nothing, not even how long": {api.TrialStatus{}, 1, false},
	} {
		if got := hasSaved(&test.trial, test.every); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
