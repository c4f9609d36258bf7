package main

import "time"

type object = map[string]any

// manifest returns the run that is drilled. It is small, keeps no averages of the weights, augments as the preset does
// and commits a checkpoint after every epoch.
func (c config) manifest(cl *cluster, name string) object {
	return trainingRun(name, object{
		"depths":  c.depths,
		"dataset": object{"uri": "file:///data/toy", "split": object{"test": "0.25", "validation": "0.25"}},
		"hyperparameters": object{
			"epochs":       c.epochs,
			"warmupEpochs": 1,
			"learningRate": "0.001",
			"batchSize":    8,
			"imageSize":    32,
			"ema":          "0",
		},
		"checkpoint":      object{"uri": "file:///checkpoints"},
		"failurePolicy":   object{"maxRetries": 100, "maxInterruptions": 800},
		"nodeLossSeconds": 5,
		"template": object{
			"image":           "plumbline.dev/trainer:dev",
			"imagePullPolicy": "Never",
			"env":             []any{object{"name": "DRILL_FAILPOINTS", "value": cl.failpoints()}},
			"resources": object{
				"requests": object{"cpu": "1", "memory": "256Mi", "nvidia.com/gpu": "1"},
				"limits":   object{"nvidia.com/gpu": "1"},
			},
			"volumes": []any{
				object{"name": "data", "persistentVolumeClaim": object{"claimName": "data"}},
				object{"name": "checkpoints", "persistentVolumeClaim": object{"claimName": "checkpoints"}},
			},
			"volumeMounts": []any{
				object{"name": "data", "mountPath": "/data", "readOnly": true},
				object{"name": "checkpoints", "mountPath": "/checkpoints"},
			},
		},
	})
}

// reportingManifest returns a run of five trials whose pods run this program: reportWithoutTraining, an epoch every
// period.
func reportingManifest(name string, epochs int, period time.Duration) object {
	return trainingRun(name, object{
		"dataset":         object{"uri": "file:///data/none"},
		"hyperparameters": object{"epochs": epochs, "warmupEpochs": 0},
		"checkpoint":      object{"uri": "file:///checkpoints"},
		"template": object{
			"image":           reporterImage,
			"imagePullPolicy": "Never",
			"env":             []any{object{"name": "REPORT_EVERY", "value": period.String()}},
			"resources":       object{"requests": object{"cpu": "1m", "memory": "1Mi"}},
		},
	})
}

func trainingRun(name string, spec object) object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "TrainingRun",
		"metadata":   object{"name": name, "namespace": namespace},
		"spec":       spec,
	}
}

// claimedVolume returns the claim of a volume that the local cluster has.
func claimedVolume(claim, volume string) object {
	return object{
		"apiVersion": "v1",
		"kind":       "PersistentVolumeClaim",
		"metadata":   object{"name": claim, "namespace": namespace},
		"spec": object{
			"accessModes":      []any{"ReadWriteMany"},
			"storageClassName": "",
			"volumeName":       volume,
			"resources":        object{"requests": object{"storage": "1Gi"}},
		},
	}
}

// restrictedNamespace returns the namespace of the runs, which enforces the restricted Pod Security standard.
func restrictedNamespace() object {
	return object{
		"apiVersion": "v1",
		"kind":       "Namespace",
		"metadata": object{
			"name":   namespace,
			"labels": object{"pod-security.kubernetes.io/enforce": "restricted"},
		},
	}
}
