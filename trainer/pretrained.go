package main

import (
	"fmt"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
)

// start is what training begins with.
type start struct {
	architecture resnet.Architecture
	weights      checkpoint.Tensors // nil: random ones. The head's are not among them
	digest       string             // of the file they came from
}

// loadPretrained reads the weights that a trial starts from.
func (a attempt) loadPretrained(channels []string) (start, error) {
	s := start{architecture: resnet.Of(a.trial.Depth)}
	if a.trial.Pretrained == nil {
		return s, nil
	}
	return s, settingsError(fmt.Errorf("pretrained %s: this release cannot read it", a.trial.Pretrained.URI))
}

// begin gives a model the weights; those that are not among them stay random.
func (s start) begin(model *session.Model) error {
	if s.weights == nil {
		return nil
	}
	tensors, err := model.Snapshot(loop.Inference)
	if err != nil {
		return err
	}
	given := map[string]checkpoint.Tensor{}
	for _, t := range s.weights {
		given[t.Name] = t
	}
	for i, t := range tensors {
		if from, ok := given[t.Name]; ok {
			tensors[i].Data, tensors[i].Shape = from.Data, from.Shape
		}
	}
	return model.Restore(loop.Inference, tensors)
}
