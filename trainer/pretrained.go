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

// initialWeights are the weights that training begins with.
type initialWeights struct {
	architecture resnet.Architecture
	weights      checkpoint.Tensors // without the head's, which start random; nil: all weights start random
	digest       string             // of the file that the weights were read from
}

// loadPretrained reads the weights that a trial starts from, and adapts them to the channels of the data. The
// architecture that it returns is the one in which they were trained.
func (tp trialProcess) loadPretrained(channels []string) (initialWeights, error) {
	start := initialWeights{architecture: resnet.Of(tp.trial.Depth)}
	from := tp.trial.Pretrained
	if from == nil {
		return start, nil
	}
	path, err := wire.LocalPath(from.URI)
	if err != nil {
		return start, settingsError(fmt.Errorf("pretrained weights: %w", err))
	}
	mix, err := pretrained.NewMix(*from, channels)
	if err != nil {
		return start, settingsError(fmt.Errorf("pretrained weights for the channels %v: %w", channels, err))
	}
	w, err := pretrained.Read(path, tp.trial.Depth)
	if err != nil {
		return start, pretrainedError(path, err)
	}
	start.architecture.Block, start.architecture.Epsilon, start.digest = w.Block, w.Epsilon, w.Digest
	for _, t := range w.Adapted(mix) {
		start.weights = append(start.weights, checkpoint.Tensor{Name: t.Name, Shape: t.Shape, Data: t.Data})
	}
	tp.log.Info("pretrained weights read", "file", path, "digest", w.Digest, "block", w.Block, "epsilon", w.Epsilon,
		"inputAdaptation", from.InputAdaptation, "channels", len(channels))
	return start, nil
}

// pretrainedError returns the ending for a file of weights that cannot be used. A retry does not help if the content is
// wrong, or if the file is missing or must not be read. It may help if a disk fails.
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

// restoreInto sets a model's weights. Weights that are not in start stay random.
func (start initialWeights) restoreInto(model *session.Model) error {
	if start.weights == nil {
		return nil
	}
	tensors, err := model.Snapshot(loop.Inference)
	if err != nil {
		return err
	}
	given := map[string]checkpoint.Tensor{}
	for _, t := range start.weights {
		given[t.Name] = t
	}
	for i, t := range tensors {
		if from, ok := given[t.Name]; ok {
			tensors[i].Data, tensors[i].Shape = from.Data, from.Shape
		}
	}
	return model.Restore(loop.Inference, tensors)
}
