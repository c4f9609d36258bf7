package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// prepareNamespace makes what a run needs: a namespace that enforces restricted Pod Security, volumes, and a toy data set.
func prepareNamespace(t *testing.T) {
	t.Helper()
	apply(t, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{
		"name": namespace, "labels": object{"pod-security.kubernetes.io/enforce": "restricted"}}})
	volumes := filepath.Join(cluster.state, "volumes")
	for _, name := range []string{"data", "checkpoints", "models"} {
		localcluster(t, "volume", namespace+"-"+name, filepath.Join(volumes, name), "--claim", namespace+"/"+name)
		apply(t, object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": object{"name": name, "namespace": namespace},
			"spec": object{"accessModes": []any{"ReadWriteMany"}, "storageClassName": "", "volumeName": namespace + "-" + name,
				"resources": object{"requests": object{"storage": "1Gi"}}}})
	}
	if _, err := os.Stat(filepath.Join(volumes, "data", "toy")); err == nil {
		return
	}
	if out, err := command(t, "", "plumb", "dataset", "synth", "--out", filepath.Join(volumes, "data", "toy"), "--samples", "96", "--package-size", "4",
		"--size", "48", "--prevalence", "0.3", "--min-severity", "0.7", "--label-noise", "0", "--seed", "7"); err != nil {
		t.Fatalf("make the toy data set: %v\n%s", err, out)
	}
}

// toyRun is the whole sweep at a size that two cores train in under a minute.
func toyRun(name string) object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "TrainingRun",
		"metadata": object{"name": name, "namespace": namespace},
		"spec": object{
			"dataset": object{"uri": "file:///data/toy", "split": object{"test": "0.25", "validation": "0.25"}},
			// No averages: over three epochs they would be of little but the beginning, and cost a gigabyte of checkpoints a run.
			"hyperparameters": object{"ema": "0", "epochs": 3, "batchSize": 8, "imageSize": 32, "learningRate": "0.001", "warmupEpochs": 1},
			"checkpoint":      object{"uri": "file:///checkpoints"},
			"template":        toyTemplate(),
		},
	}
}

func toyTemplate() object {
	return object{
		"image":           "plumbline.dev/trainer:dev",
		"imagePullPolicy": "Never",
		"resources": object{
			"requests": object{"cpu": "400m", "memory": "256Mi", "nvidia.com/gpu": "1"},
			"limits":   object{"nvidia.com/gpu": "1"},
		},
		"volumes": []any{
			object{"name": "data", "persistentVolumeClaim": object{"claimName": "data"}},
			object{"name": "checkpoints", "persistentVolumeClaim": object{"claimName": "checkpoints"}},
			object{"name": "models", "persistentVolumeClaim": object{"claimName": "models"}},
		},
		"volumeMounts": []any{
			object{"name": "data", "mountPath": "/data", "readOnly": true},
			object{"name": "checkpoints", "mountPath": "/checkpoints"},
			object{"name": "models", "mountPath": "/models"},
		},
	}
}

func toyModel(name string) object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1", "kind": "Model",
		"metadata": object{"name": name, "namespace": namespace},
		"spec":     object{"registry": object{"uri": "file:///models"}, "publishing": toyTemplateWithoutGPU()},
	}
}

func toyTemplateWithoutGPU() object {
	t := toyTemplate()
	t["resources"] = object{"requests": object{"cpu": "400m", "memory": "256Mi"}}
	return t
}
