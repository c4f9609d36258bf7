package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/wire"
)

// scripted returns a run whose trials follow a script. The run and its checkpoints are deleted when the test ends.
func scripted(t *testing.T, name string, epochs int, s script) object {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	o := toyRun(name)
	spec, template := at(o, "spec"), toyTemplateWithoutGPU()
	var depths []any // those of the script's trials
	for _, d := range wire.Depths {
		if _, ok := s[wire.TrialName(d)]; ok {
			depths = append(depths, d)
		}
	}
	spec["depths"], spec["template"] = depths, template
	spec["hyperparameters"] = object{"epochs": epochs, "warmupEpochs": 0}
	template["image"] = reporterImage
	template["env"] = []any{object{"name": "SCRIPT", "value": string(b)}}
	template["resources"] = object{"requests": object{"cpu": "1m", "memory": "1Mi"}}
	t.Cleanup(func() {
		removeCheckpoints(t, keyOf(name))
		kubectl(t, "delete", "trun", name, "-n", namespace, "--ignore-not-found")
	})
	return o
}

// prepareReporter makes what a scripted run needs: the namespace, and this program as the image of its pods.
func prepareReporter(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	prepareNamespace(t)
	localcluster(t, "image", reporterImage, self)
}

// letGoOn lets the reporters of trials continue, each from the "hold" at which it waits or will wait next.
func letGoOn(t *testing.T, r *v1alpha1.TrainingRun, trials ...string) {
	t.Helper()
	for _, trial := range trials {
		file := goOnFile(filepath.Join(cluster.state, "volumes", "checkpoints"), string(r.UID), trial)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// startAll applies runs in one request and does not wait for them.
func startAll(t *testing.T, runs ...object) {
	t.Helper()
	items := make([]any, len(runs))
	for i, o := range runs {
		items[i] = o
	}
	apply(t, object{"apiVersion": "v1", "kind": "List", "items": items})
}

// awaitEpoch waits until the trials run and have reported an epoch.
func awaitEpoch(t *testing.T, name string, epoch int32, trials ...string) *v1alpha1.TrainingRun {
	t.Helper()
	awaited := fmt.Sprintf("epoch %d of %v", epoch, trials)
	return awaitRun(t, keyOf(name), awaited, func(r *v1alpha1.TrainingRun) bool {
		n := 0
		for _, trial := range r.Status.Trials {
			if slices.Contains(trials, trial.Name) && trial.Epoch >= epoch && trial.Phase == v1alpha1.TrialRunning {
				n++
			}
		}
		return n == len(trials)
	})
}

// awaitPhase waits until a trial is in a phase.
func awaitPhase(t *testing.T, name, trial string, phase v1alpha1.TrialPhase) *v1alpha1.TrainingRun {
	t.Helper()
	inPhase := func(s v1alpha1.TrialStatus) bool { return s.Name == trial && s.Phase == phase }
	return awaitRun(t, keyOf(name), trial+" "+string(phase), func(r *v1alpha1.TrainingRun) bool {
		return slices.ContainsFunc(r.Status.Trials, inPhase)
	})
}

// slug returns the name of a run that is made of a test's name.
func slug(sentence string) string { return strings.ReplaceAll(strings.ToLower(sentence), " ", "-") }

func keyOf(name string) client.ObjectKey { return client.ObjectKey{Namespace: namespace, Name: name} }

// getRun returns the run as the API server has it now.
func getRun(t *testing.T, name string) *v1alpha1.TrainingRun {
	t.Helper()
	var r v1alpha1.TrainingRun
	if err := cluster.client.Get(t.Context(), keyOf(name), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// awaitObserved waits until status says that the operator has planned from the newest spec, and returns the run.
func awaitObserved(t *testing.T, name string) (r *v1alpha1.TrainingRun) {
	t.Helper()
	eventually(t, "plan from the newest spec of "+name, func() bool {
		r = getRun(t, name)
		return r.Status.ObservedGeneration == r.Generation
	})
	return r
}
