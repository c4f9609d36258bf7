package e2e

import (
	"encoding/json"
	"fmt"
)

// object is a manifest, or a part of one, that a test may change.
type object = map[string]any

// at returns the object below o at a path of keys. It makes the objects that are missing.
func at(o object, path ...string) object {
	for _, key := range path {
		next, ok := o[key].(object)
		if !ok {
			next = object{}
			o[key] = next
		}
		o = next
	}
	return o
}

// validRun returns a small run that the API server accepts.
func validRun() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "TrainingRun",
		"metadata":   object{"name": "refused", "namespace": "default"},
		"spec": object{
			"depths":     []any{18, 50},
			"dataset":    object{"uri": "file:///data/erasers"},
			"checkpoint": object{"uri": "file:///checkpoints"},
			"template":   object{"image": "plumbline.dev/trainer:dev"},
		},
	}
}

func validModel() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "Model",
		"metadata":   object{"name": "refused", "namespace": "default"},
		"spec": object{
			"registry":   object{"uri": "file:///models"},
			"publishing": object{"image": "plumbline.dev/trainer:dev"},
		},
	}
}

func validVersion() object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "ModelVersion",
		"metadata":   object{"name": "refused-v1", "namespace": "default"},
		"spec": object{
			"model":      "refused",
			"version":    1,
			"run":        object{"name": "r", "uid": "u"},
			"trial":      "d18",
			"depth":      18,
			"epoch":      1,
			"checkpoint": object{"uri": "file:///checkpoints/x", "digest": "sha256:0"},
			"metrics": object{
				"aucPR":     "0.9",
				"f1":        "0.8",
				"precision": "0.8",
				"recall":    "0.8",
				"threshold": "-0.1",
			},
		},
	}
}

// clone returns a copy that shares no memory with o.
func clone(o object) object {
	var c object
	if err := json.Unmarshal(encode(o), &c); err != nil {
		panic(err)
	}
	return c
}

func encode(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("encode a manifest of this test: %v", err))
	}
	return b
}

// toyRun returns the whole sweep at a size that two cores train in under a minute.
func toyRun(name string) object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "TrainingRun",
		"metadata":   object{"name": name, "namespace": namespace},
		"spec": object{
			"dataset": object{"uri": "file:///data/toy", "split": object{"test": "0.25", "validation": "0.25"}},
			"hyperparameters": object{
				"epochs":       3,
				"warmupEpochs": 1,
				"learningRate": "0.001",
				"batchSize":    8,
				"imageSize":    32,
				// No averages: in three epochs they hardly leave the first weights, and they cost a gigabyte of
				// checkpoints a run.
				"ema": "0",
			},
			"checkpoint": object{"uri": "file:///checkpoints"},
			"template":   toyTemplate(),
		},
	}
}

// toyTemplate returns the pod template of toyRun, with the volumes of prepareNamespace.
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

// toyModel returns a model whose versions are published by a Job without a GPU.
func toyModel(name string) object {
	return object{
		"apiVersion": "plumbline.dev/v1alpha1",
		"kind":       "Model",
		"metadata":   object{"name": name, "namespace": namespace},
		"spec":       object{"registry": object{"uri": "file:///models"}, "publishing": toyTemplateWithoutGPU()},
	}
}

func toyTemplateWithoutGPU() object {
	t := toyTemplate()
	t["resources"] = object{"requests": object{"cpu": "400m", "memory": "256Mi"}}
	return t
}
