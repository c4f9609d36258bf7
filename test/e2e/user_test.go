package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
)

// lookAround asks of a finished run what a Kubernetes user would ask first.
func lookAround(t *testing.T, run *v1alpha1.TrainingRun) {
	best := run.Status.Best
	for name, ask := range map[string]struct {
		args []string
		want []string
	}{
		"get":      {[]string{"get", "trun", run.Name}, []string{"PHASE", "DONE", "BEST", "AUC-PR", "EPOCH", "AGE", "Succeeded", "5/5", best.Trial, string(best.AUCPR)}},
		"describe": {[]string{"describe", "trun", run.Name}, []string{"BestSelected", "Events:", "d152"}},
		"explain":  {[]string{"explain", "trun.spec.hyperparameters.learningRate"}, []string{"the highest learning rate of the head"}},
		"logs":     {[]string{"logs", "-f", run.Status.Trials[0].Pod}, []string{"epoch"}},
		"events":   {[]string{"get", "events", "--field-selector", "involvedObject.name=" + run.Name}, []string{"Succeeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := kubectl(t, append(ask.args, "-n", namespace)...)
			for _, want := range ask.want {
				if !strings.Contains(out, want) {
					t.Errorf("%v does not show %q:\n%s", ask.args, want, out)
				}
			}
		})
	}
	t.Run("trial pods mount no token and hold one run's credential", func(t *testing.T) {
		out := kubectl(t, "get", "pod", run.Status.Trials[0].Pod, "-n", namespace, "-o", "jsonpath={.spec.automountServiceAccountToken} {.spec.volumes[*].name} {.spec.volumes[*].secret.secretName}")
		if !strings.HasPrefix(out, "false ") || strings.Contains(out, "kube-api-access") || !strings.Contains(out, run.Name+"-nats") {
			t.Errorf("token and volumes: %s", out)
		}
	})
}

// TestDeletedRunTakesItsChildrenAlong deletes a run while it trains: Jobs, pods and the credential go, without finalizers.
func TestDeletedRunTakesItsChildrenAlong(t *testing.T) {
	prepareNamespace(t)
	key := client.ObjectKey{Namespace: namespace, Name: "deleted"}
	o := toyRun(key.Name)
	at(o, "spec")["depths"] = []any{18, 34}
	at(o, "spec", "hyperparameters")["epochs"] = 500
	apply(t, o)
	if run := awaitRun(t, key, "an epoch", func(r *v1alpha1.TrainingRun) bool { return finishedEpochs(r) > 0 }); len(run.Finalizers) > 0 {
		t.Errorf("the run has finalizers: %v", run.Finalizers)
	}
	kubectl(t, "delete", "trun", key.Name, "-n", namespace, "--wait")
	eventually(t, "end of the run's Jobs, pods and Secret", func() bool {
		out := kubectl(t, "get", "jobs,pods,secrets", "-n", namespace, "-o", "name")
		return !strings.Contains(out, "deleted-")
	})
}

// TestBadDataFailsOnceInWords breaks a label and an image: the trial must not be retried, and the run must carry the sentence.
func TestBadDataFailsOnceInWords(t *testing.T) {
	prepareNamespace(t)
	volumes := filepath.Join(cluster.state, "volumes", "data")
	tests := map[string]struct {
		break_ func(dir string) error
		want   []string
	}{
		"an unknown label":          {replaceIn("labels.csv", ",normal,", ",perfect,"), []string{"labels.csv", "perfect"}},
		"an image that is no image": {overwrite("images/AM"), []string{"images/AM"}},
		"a set that is not there":   {removeAll, []string{"bad-there is not there"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			slug := "bad-" + strings.Fields(name)[len(strings.Fields(name))-1]
			dir := filepath.Join(volumes, slug)
			if out, err := command(t, "", "plumb", "dataset", "synth", "--out", dir, "--samples", "24", "--package-size", "4", "--size", "32", "--prevalence", "0.4", "--seed", "3"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if err := tt.break_(dir); err != nil {
				t.Fatal(err)
			}
			o := toyRun(slug)
			at(o, "spec")["depths"] = []any{18}
			at(o, "spec", "dataset")["uri"] = "file:///data/" + slug
			apply(t, o)
			run := awaitRun(t, client.ObjectKey{Namespace: namespace, Name: slug}, "end", func(r *v1alpha1.TrainingRun) bool { return r.Status.CompletionTime != nil })
			trial := run.Status.Trials[0]
			if run.Status.Phase != v1alpha1.RunFailed || trial.Attempt != 1 || trial.Retries != 0 {
				t.Errorf("phase %s, attempt %d, retries %d; want one attempt that failed", run.Status.Phase, trial.Attempt, trial.Retries)
			}
			message := conditionOf(run, v1alpha1.ConditionFailed)
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("the run's condition does not name %q: %q", want, message)
				}
			}
		})
	}
}

func conditionOf(r *v1alpha1.TrainingRun, condition string) string {
	for _, c := range r.Status.Conditions {
		if c.Type == condition && c.Status == "True" {
			return c.Message
		}
	}
	return ""
}
