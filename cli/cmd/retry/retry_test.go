package retry

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/cli/clustertest"
	"plumbline.dev/plumbline/cli/runstate"
	"plumbline.dev/plumbline/wire"
)

func TestRetryMakesARunThatResumes(t *testing.T) {
	// In this run d152 failed in epoch 7, and d101 failed before the end of its first epoch.
	failed := func(t *testing.T) *api.TrainingRun {
		r := clustertest.ReadRun(t, "finished")
		d101 := runstate.FindTrial(r, "d101")
		d101.Phase, d101.Epoch, d101.Best = api.TrialFailed, 0, nil
		r.Labels = map[string]string{"kueue.x-k8s.io/queue-name": "gpus"}
		r.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "team": "vision"}
		r.Spec.Suspend, r.Spec.StopTrials = ptr.To(false), []api.TrialName{"d34"}
		r.Spec.Overrides = []api.DepthOverride{
			{Depth: 152, BatchSize: ptr.To(int32(8))},
			{Depth: 18, Epochs: ptr.To(int32(8))},
		}
		return r
	}
	for name, test := range map[string]struct {
		state, args string
		code        int
		created     string // the name of the new run; "" for none
		check       func(*api.TrainingRun) bool
		out, err    []string
	}{
		"retry all trials": {
			state:   "finished",
			args:    "retry erasers",
			created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				return *r.Spec.Checkpoint.ResumeFrom == "6f0c5a52-0f3c-4e6e-9a60-5f4e1f6b9d11" &&
					len(r.Spec.Depths) == 5 && r.Status.Phase == ""
			},
			out: []string{
				"run erasers-r1 is created and resumes from the checkpoints of erasers: d18, d34, d50, d101, d152\n",
			},
			err: []string{"plumb watch erasers-r1 -n inspection"},
		},
		"refuse a trial that left no checkpoint": {
			args: "retry erasers",
			code: 1,
			err: []string{
				`run "erasers" probably left no checkpoint from which d101 could resume`,
				"plumb retry erasers --depths 18,34,50,152 -n inspection",
				"plumb retry erasers --depths 101 --anew -n inspection",
				"resumeFrom: 6f0c5a52",
			},
		},
		"retry some trials": {
			args:    "retry erasers --depths 18,34",
			created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				_, applied := r.Annotations[corev1.LastAppliedConfigAnnotation]
				return len(r.Spec.Depths) == 2 && len(r.Spec.Overrides) == 1 &&
					r.Spec.Suspend == nil && r.Spec.StopTrials == nil &&
					r.Labels["kueue.x-k8s.io/queue-name"] == "gpus" && r.Annotations["team"] == "vision" && !applied
			},
		},
		"start one from the beginning": {
			args:    "retry erasers --depths 101 --anew --name again",
			created: "again",
			check:   func(r *api.TrainingRun) bool { return r.Spec.Checkpoint.ResumeFrom == nil },
			out:     []string{"run again is created and starts from the beginning: d101\n"},
		},
		"train more epochs": {args: "retry erasers --depths 18 --epochs 12 -o name", created: "erasers-r1",
			check: func(r *api.TrainingRun) bool {
				return *r.Spec.Hyperparameters.Epochs == 12 && r.Spec.Overrides[0].Epochs == nil
			},
			out: []string{"trainingrun.plumbline.dev/erasers-r1\n"}},
		"refuse fewer epochs": {
			args: "retry erasers --depths 18 --epochs 7",
			code: 2,
			err:  []string{"--epochs 7 is below the 8 epochs that trial d18 had"},
		},
		"refuse a depth that the run did not have": {
			args: "retry erasers --depths 19",
			code: 2,
			err:  []string{`has no trial d19`},
		},
		"refuse a name that is taken": {
			state: "finished",
			args:  "retry erasers --name taken",
			code:  1,
			err:   []string{`run "taken" already exists`},
		},
		"refuse a run that has not ended": {
			state: "running",
			args:  "retry erasers",
			code:  1,
			err:   []string{"has not ended: it is Running", "plumb stop erasers -n inspection d18 d34 d50 d101 d152"},
		},
		"skip a number that is taken": {state: "finished", args: "retry taken-r1", created: "taken-r3"},
		"shorten the longest name": {
			state:   "finished",
			args:    "retry " + strings.Repeat("x", 40),
			created: strings.Repeat("x", 37) + "-r1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := failed(t)
			if test.state != "" {
				run = clustertest.ReadRun(t, test.state)
			}
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdRetry), Objects: []client.Object{run}}
			for _, taken := range []string{"taken", "taken-r1", "taken-r2", strings.Repeat("x", 40)} {
				p.Objects = append(p.Objects, clustertest.Named(t, "finished", taken))
			}
			if code := p.Run(t, strings.Split(test.args, " ")...); code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, p.Err.String())
			}
			clustertest.InOrder(t, "stdout", p.Out.String(), test.out)
			clustertest.InOrder(t, "stderr", p.Err.String(), test.err)
			var all api.TrainingRunList
			if err := p.Client.List(t.Context(), &all); err != nil {
				t.Fatal(err)
			}
			if want := len(p.Objects) + min(1, len(test.created)); len(all.Items) != want {
				t.Fatalf("%d runs, want %d", len(all.Items), want)
			}
			if test.created == "" {
				return
			}
			var r api.TrainingRun
			key := client.ObjectKey{Namespace: "inspection", Name: test.created}
			if err := p.Client.Get(t.Context(), key, &r); err != nil {
				t.Fatal(err)
			}
			if test.check != nil && !test.check(&r) {
				t.Errorf("created %+v", r)
			}
		})
	}
}

func TestMoreEpochsDoNotChangeThePhases(t *testing.T) {
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
		"a head phase that was shortened stays short": {
			before: api.Hyperparameters{Epochs: whole(5)},
			args:   "--epochs 30",
			head:   whole(2),
			warmup: whole(2),
		},
		"a warm-up that was shortened stays short": {
			before: api.Hyperparameters{Epochs: whole(4)},
			args:   "--epochs 30",
			head:   whole(2),
			warmup: whole(1),
		},
		"from random weights there is no head phase": {
			before:  api.Hyperparameters{Epochs: whole(2)},
			scratch: true,
			args:    "--epochs 30",
			head:    whole(0),
			warmup:  whole(1),
		},
		"phases that were not shortened are left to the preset": {
			before: api.Hyperparameters{Epochs: whole(10)},
			args:   "--epochs 30",
		},
		"a preset without phases stays without phases": {
			before: api.Hyperparameters{Epochs: whole(1), Preset: ptr.To("paper")},
			args:   "--epochs 30",
		},
		"phases in the spec stay": {
			before: api.Hyperparameters{Epochs: whole(5), HeadEpochs: whole(1), WarmupEpochs: whole(0)},
			args:   "--epochs 30",
			head:   whole(1),
			warmup: whole(0),
		},
		"one phase in the spec stays, and the other stays short": {
			before: api.Hyperparameters{Epochs: whole(3), HeadEpochs: whole(1)},
			args:   "--epochs 30",
			head:   whole(1),
			warmup: whole(1),
		},
		"with as many epochs the spec does not change": {before: api.Hyperparameters{Epochs: whole(5)}, args: ""},
		"from the beginning the preset decides": {
			before: api.Hyperparameters{Epochs: whole(5)},
			args:   "--epochs 30 --anew",
		},
		"trials with different phases are refused": {
			overrides: []api.DepthOverride{{Depth: 152, Epochs: whole(5)}, {Depth: 18, Epochs: whole(5)}},
			args:      "--epochs 60",
			code:      1,
			err: []string{
				"d18, d152 headEpochs 2 and warmupEpochs 2; d34, d50, d101 headEpochs 3 and warmupEpochs 2",
				"plumb retry erasers --depths 18,152 --epochs 60 -n inspection, plumb retry erasers " +
					"--depths 34,50,101 --epochs 60 -n inspection",
			},
		},
		"one trial of a run with different phases is retried": {
			overrides: []api.DepthOverride{{Depth: 152, Epochs: whole(5)}},
			args:      "--depths 152 --epochs 60",
			head:      whole(2),
			warmup:    whole(2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := clustertest.ReadRun(t, "finished")
			run.Spec.Hyperparameters, run.Spec.Overrides = &test.before, test.overrides
			if !test.scratch {
				run.Spec.Pretrained = &api.Pretrained{URI: "file:///weights/resnet{depth}.safetensors"}
			}
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdRetry), Objects: []client.Object{run}}
			if code := p.Run(t, strings.Fields("retry erasers --name next "+test.args)...); code != test.code {
				t.Fatalf("exit code %d, want %d: %s", code, test.code, p.Err.String())
			}
			clustertest.InOrder(t, "stderr", p.Err.String(), test.err)
			if test.code != 0 {
				return
			}
			var next api.TrainingRun
			key := client.ObjectKey{Namespace: "inspection", Name: "next"}
			if err := p.Client.Get(t.Context(), key, &next); err != nil {
				t.Fatal(err)
			}
			h := next.Spec.Hyperparameters
			if diff := cmp.Diff([]*int32{test.head, test.warmup}, []*int32{h.HeadEpochs, h.WarmupEpochs}); diff != "" {
				t.Errorf("headEpochs and warmupEpochs:\n%s", diff)
			}
			for _, d := range next.Spec.Depths {
				before, _ := phasesOf(run, d)
				after, err := phasesOf(&next, d)
				if err != nil || !strings.Contains(test.args, "--anew") && after != before {
					t.Errorf("d%d had %+v and will have %+v, error %v: its checkpoint would be refused",
						d, before, after, err)
				}
			}
		})
	}
}

func TestWhichTrialsHaveAResumeCheckpoint(t *testing.T) {
	interrupted := []api.AttemptStatus{
		{Number: 1, Class: string(wire.ClassInterrupted)},
		{Number: 2, Class: string(wire.ClassCrash)},
	}
	for name, test := range map[string]struct {
		trial api.TrialStatus
		every int32
		want  bool
	}{
		"crashed in its first epoch":  {api.TrialStatus{Epochs: 8}, 1, false},
		"crashed in its second epoch": {api.TrialStatus{Epoch: 1, Epochs: 8}, 1, true},
		"saves every second epoch, crashed in its second": {
			api.TrialStatus{Epoch: 1, Epochs: 8, Best: &api.BestMetrics{Epoch: 1}},
			2,
			false,
		},
		"saves every second epoch, crashed in its fourth": {api.TrialStatus{Epoch: 3, Epochs: 8}, 2, true},
		"interrupted in its first epoch":                  {api.TrialStatus{Epochs: 8, Attempts: interrupted}, 1, true},
		"trained its last epoch":                          {api.TrialStatus{Epoch: 3, Epochs: 3}, 5, true},
		"stopped early by its patience": {
			api.TrialStatus{Phase: api.TrialSucceeded, Epoch: 4, Epochs: 8},
			5,
			true,
		},
		"has reported nothing": {api.TrialStatus{}, 1, false},
	} {
		if got := hasSaved(&test.trial, test.every); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestRetryAnswers(t *testing.T) {
	for name, want := range map[string]clustertest.Answer{
		"complete depths": {
			Args: "__complete retry good --depths 18,1",
			Out:  []string{"18,34\n18,50\n18,101\n18,152\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &clustertest.Program{Tree: clustertest.Verbs(NewCmdRetry), Objects: clustertest.Inspection(t)}
			want.Check(t, p)
		})
	}
}
