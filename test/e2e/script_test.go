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

// scripted is a run whose trials are those of a script, and which leaves nothing behind.
func scripted(t *testing.T, name string, epochs int, s script) object {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	o := toyRun(name)
	spec, template := at(o, "spec"), toyTemplateWithoutGPU()
	var depths []any
	for _, d := range wire.Depths {
		if _, ok := s[wire.TrialName(d)]; ok {
			depths = append(depths, d)
		}
	}
	spec["depths"], spec["template"] = depths, template
	spec["hyperparameters"] = object{"epochs": epochs, "warmupEpochs": 0}
	template["image"], template["env"] = reporterImage, []any{object{"name": "SCRIPT", "value": string(b)}}
	template["resources"] = object{"requests": object{"cpu": "1m", "memory": "1Mi"}}
	t.Cleanup(func() {
		removeCheckpoints(t, keyOf(name))
		kubectl(t, "delete", "trun", name, "-n", namespace, "--ignore-not-found")
	})
	return o
}

func prepareReporter(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	prepareNamespace(t)
	localcluster(t, "image", reporterImage, self)
}

// tell has the reporters of trials go on, each from where it holds or will hold next.
func tell(t *testing.T, r *v1alpha1.TrainingRun, trials ...string) {
	t.Helper()
	for _, trial := range trials {
		file := word(filepath.Join(cluster.state, "volumes", "checkpoints"), string(r.UID), trial)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// startAll applies runs at once and waits for none of them.
func startAll(t *testing.T, runs ...object) {
	t.Helper()
	items := make([]any, len(runs))
	for i, o := range runs {
		items[i] = o
	}
	apply(t, object{"apiVersion": "v1", "kind": "List", "items": items})
}

// awaitEpoch waits until trials have told of an epoch.
func awaitEpoch(t *testing.T, name string, epoch int32, trials ...string) *v1alpha1.TrainingRun {
	t.Helper()
	return awaitRun(t, keyOf(name), fmt.Sprintf("epoch %d of %v", epoch, trials), func(r *v1alpha1.TrainingRun) bool {
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
	return awaitRun(t, keyOf(name), trial+" "+string(phase), func(r *v1alpha1.TrainingRun) bool {
		return slices.ContainsFunc(r.Status.Trials, func(s v1alpha1.TrialStatus) bool { return s.Name == trial && s.Phase == phase })
	})
}

func slug(sentence string) string { return strings.ReplaceAll(strings.ToLower(sentence), " ", "-") }

func keyOf(name string) client.ObjectKey { return client.ObjectKey{Namespace: namespace, Name: name} }

func look(t *testing.T, name string) *v1alpha1.TrainingRun {
	t.Helper()
	var r v1alpha1.TrainingRun
	if err := cluster.client.Get(t.Context(), keyOf(name), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// obeyed is the run once the operator has planned from its newest spec and written so.
func obeyed(t *testing.T, name string) (r *v1alpha1.TrainingRun) {
	t.Helper()
	eventually(t, "look of the operator at "+name, func() bool {
		r = look(t, name)
		return r.Status.ObservedGeneration == r.Generation
	})
	return r
}
