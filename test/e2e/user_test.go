package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// inspectWithKubectl asks about a finished run what a Kubernetes user would ask first.
func inspectWithKubectl(t *testing.T, run *v1alpha1.TrainingRun) {
	best := run.Status.Best
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"get": {
			args: []string{"get", "trun", run.Name},
			want: []string{
				"PHASE", "DONE", "BEST", "AUC-PR", "EPOCH", "AGE",
				"Succeeded", "5/5", best.Trial, string(best.AUCPR),
			},
		},
		"describe": {
			args: []string{"describe", "trun", run.Name},
			want: []string{"BestSelected", "Events:", "d152"},
		},
		"explain": {
			args: []string{"explain", "trun.spec.hyperparameters.learningRate"},
			want: []string{"the highest learning rate of the head"},
		},
		"logs": {
			args: []string{"logs", "-f", run.Status.Trials[0].Pod},
			want: []string{"epoch"},
		},
		"events": {
			args: []string{"get", "events", "--field-selector", "involvedObject.name=" + run.Name},
			want: []string{"Succeeded"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := kubectl(t, append(test.args, "-n", namespace)...)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%v does not show %q:\n%s", test.args, want, out)
				}
			}
		})
	}
	t.Run("trial pods mount no token and hold one run's credential", func(t *testing.T) {
		const format = "jsonpath={.spec.automountServiceAccountToken} {.spec.volumes[*].name} " +
			"{.spec.volumes[*].secret.secretName}"
		out := kubectl(t, "get", "pod", run.Status.Trials[0].Pod, "-n", namespace, "-o", format)
		noToken := strings.HasPrefix(out, "false ") && !strings.Contains(out, "kube-api-access")
		if !noToken || !strings.Contains(out, run.Name+"-nats") {
			t.Errorf("token and volumes: %s", out)
		}
	})
}

// TestDeletingARunDeletesItsJobsPodsAndSecret deletes a run while it trains. The run has no finalizers.
func TestDeletingARunDeletesItsJobsPodsAndSecret(t *testing.T) {
	prepareNamespace(t)
	key := client.ObjectKey{Namespace: namespace, Name: "deleted"}
	o := toyRun(key.Name)
	at(o, "spec")["depths"] = []any{18, 34}
	at(o, "spec", "hyperparameters")["epochs"] = 500
	apply(t, o)
	run := awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 0 })
	if len(run.Finalizers) > 0 {
		t.Errorf("the run has finalizers: %v", run.Finalizers)
	}
	kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--wait")
	eventually(t, "end of the run's Jobs, pods and Secret", func() bool {
		out := kubectl(t, "get", "jobs,pods,secrets", "-n", namespace, "-o", "name")
		return !strings.Contains(out, "deleted-")
	})
}

// TestBadDataFailsATrialOnceAndTheRunSaysWhy damages a dataset before a run trains on it. The trial must not be
// retried, and the run's condition must name the damage.
func TestBadDataFailsATrialOnceAndTheRunSaysWhy(t *testing.T) {
	prepareNamespace(t)
	volumes := filepath.Join(cluster.state, "volumes", "data")
	tests := map[string]struct {
		run    string // its name, and that of the dataset
		damage func(dir string) error
		want   []string
	}{
		"an unknown label": {
			run:    "bad-label",
			damage: replaceIn("labels.csv", ",normal,", ",perfect,"),
			want:   []string{"labels.csv", "perfect"},
		},
		"a file that is not an image": {
			run:    "bad-image",
			damage: overwrite("images/AM"),
			want:   []string{"images/AM"},
		},
		"a dataset that does not exist": {
			run:    "bad-there",
			damage: removeAll,
			want:   []string{"bad-there does not exist"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(volumes, test.run)
			out, err := command(t, "", "plumb", "dataset", "synth", "--out", dir, "--samples", "24",
				"--package-size", "4", "--size", "32", "--prevalence", "0.4", "--seed", "3")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if err := test.damage(dir); err != nil {
				t.Fatal(err)
			}
			o := toyRun(test.run)
			at(o, "spec")["depths"] = []any{18}
			at(o, "spec", "dataset")["uri"] = "file:///data/" + test.run
			apply(t, o)
			run := awaitRun(t, keyOf(test.run), "end", ended)
			trial := run.Status.Trials[0]
			if run.Status.Phase != v1alpha1.RunFailed || trial.Attempt != 1 || trial.Retries != 0 {
				t.Errorf("phase %s, attempt %d, retries %d; want one attempt that failed",
					run.Status.Phase, trial.Attempt, trial.Retries)
			}
			message := trueConditionMessage(run, v1alpha1.ConditionFailed)
			for _, want := range test.want {
				if !strings.Contains(message, want) {
					t.Errorf("the run's condition does not name %q: %q", want, message)
				}
			}
		})
	}
}

// trueConditionMessage returns the message of a condition that is True, and nothing if it is not.
func trueConditionMessage(r *v1alpha1.TrainingRun, condition string) string {
	for _, c := range r.Status.Conditions {
		if c.Type == condition && c.Status == "True" {
			return c.Message
		}
	}
	return ""
}
