package export

import (
	"fmt"
	"strconv"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/session"
)

// Prediction is what a model says of one image.
type Prediction struct {
	Logit       float32 // calibrated
	Probability float32 // of the positive class
	Positive    bool    // logit >= threshold
}

// Served is an exported model that has been loaded.
type Served struct {
	Size, Channels int // of its images, [N,Size,Size,Channels] uint8

	model                        *tf.SavedModel
	image                        tf.Output
	logit, probability, decision tf.Output
}

// Load reads a SavedModel that Write wrote, as TensorFlow Serving would.
func Load(dir string, threads int) (*Served, error) {
	model, err := tf.LoadSavedModel(dir, []string{tag}, session.Options(threads, false))
	if err != nil {
		return nil, fmt.Errorf("load the model in %s: %w", dir, err)
	}
	s := &Served{model: model}
	if err := s.bind(model.Signatures[signature]); err != nil {
		model.Session.Close()
		return nil, fmt.Errorf("load the model in %s: %w", dir, err)
	}
	return s, nil
}

// Close frees the model.
func (s *Served) Close() error { return s.model.Session.Close() }

// bind finds the signature's tensors in the graph.
func (s *Served) bind(sig tf.Signature) error {
	shape, err := sig.Inputs[Image].Shape.ToSlice()
	if err != nil || len(shape) != 4 || sig.Inputs[Image].DType != tf.Uint8 {
		return fmt.Errorf("signature %s has no input %q of [N,S,S,C] uint8: this is not a model of Plumbline's", signature, Image)
	}
	s.Size, s.Channels = int(shape[1]), int(shape[3])
	for name, to := range map[string]*tf.Output{Image: &s.image, Logit: &s.logit, Probability: &s.probability, Decision: &s.decision} {
		info, ok := sig.Outputs[name]
		if name == Image {
			info, ok = sig.Inputs[name]
		}
		if !ok {
			return fmt.Errorf("signature %s has no output %q: this is not a model of Plumbline's", signature, name)
		}
		if *to, err = s.output(info.Name); err != nil {
			return err
		}
	}
	return nil
}

// output finds "operation:index".
func (s *Served) output(name string) (tf.Output, error) {
	operation, index, _ := strings.Cut(name, ":")
	i, err := strconv.Atoi(index)
	o := s.model.Graph.Operation(operation)
	if err != nil || o == nil || i >= o.NumOutputs() {
		return tf.Output{}, fmt.Errorf("its signature names a tensor %q that its graph does not have", name)
	}
	return o.Output(i), nil
}

// Predict asks the model about n images, [n,Size,Size,Channels] uint8, channels in the order that it was trained with.
func (s *Served) Predict(images []uint8, n int) ([]Prediction, error) {
	size := s.Size * s.Size * s.Channels
	if len(images) != n*size {
		return nil, fmt.Errorf("predict %d images of %dx%dx%d: %d bytes, want %d", n, s.Size, s.Size, s.Channels, len(images), n*size)
	}
	predictions := make([]Prediction, 0, n)
	for from, to := range loop.Parts(n, loop.RunAtOnce) {
		batch, err := session.TensorOf(images[from*size:to*size], int64(to-from), int64(s.Size), int64(s.Size), int64(s.Channels))
		if err != nil {
			return nil, fmt.Errorf("predict images %d to %d: %w", from, to-1, err)
		}
		out, err := s.model.Session.Run(map[tf.Output]*tf.Tensor{s.image: batch}, []tf.Output{s.logit, s.probability, s.decision}, nil)
		if err != nil {
			return nil, fmt.Errorf("predict images %d to %d: %w", from, to-1, err)
		}
		logits, probabilities, decisions := out[0].Value().([]float32), out[1].Value().([]float32), out[2].Value().([]int64)
		for i := range logits {
			predictions = append(predictions, Prediction{Logit: logits[i], Probability: probabilities[i], Positive: decisions[i] == 1})
		}
	}
	return predictions, nil
}
