package main

import (
	"errors"
	"fmt"
	"io/fs"

	"plumbline.dev/plumbline/trainer/checkpoint"
	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/pretrained"
	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/trainer/session"
	"plumbline.dev/plumbline/wire"
)

// initialWeights are what training begins with.
type initialWeights struct {
	architecture resnet.Architecture
	weights      checkpoint.Tensors // nil: random ones. The head's are not among them
	digest       string             // of the file they came from
}

// loadPretrained reads the weights that a trial starts from, and fits them to the channels of the data. The network becomes the one
// that they were trained in.
func (a attempt) loadPretrained(channels []string) (initialWeights, error) {
	s := initialWeights{architecture: resnet.Of(a.trial.Depth)}
	from := a.trial.Pretrained
	if from == nil {
		return s, nil
	}
	path, err := wire.LocalPath(from.URI)
	if err != nil {
		return s, settingsError(fmt.Errorf("pretrained weights: %w", err))
	}
	mix, err := pretrained.NewMix(*from, channels)
	if err != nil {
		return s, settingsError(fmt.Errorf("pretrained weights for the channels %v: %w", channels, err))
	}
	w, err := pretrained.Read(path, a.trial.Depth)
	if err != nil {
		return s, pretrainedError(path, err)
	}
	s.architecture.Block, s.architecture.Epsilon, s.digest = w.Block, w.Epsilon, w.Digest
	for _, t := range w.Adapted(mix) {
		s.weights = append(s.weights, checkpoint.Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data})
	}
	a.log.Info("pretrained weights are read", "file", path, "digest", w.Digest, "block", w.Block, "epsilon", w.Epsilon,
		"inputAdaptation", from.InputAdaptation, "channels", len(channels))
	return s, nil
}

// pretrainedError: a file of the wrong content, or out of reach, stays so; a disk that fails may pass.
func pretrainedError(path string, err error) error {
	var unfit *pretrained.Unfit
	switch {
	case errors.As(err, &unfit):
		return dataError(path, err)
	case isMissing(path), errors.Is(err, fs.ErrPermission):
		return missingError(path, err)
	}
	return storeError(path, err)
}

// restoreInto gives a model the weights; those that are not among them stay random.
func (s initialWeights) restoreInto(model *session.Model) error {
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
