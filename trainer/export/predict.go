package export

import (
	"fmt"
	"strconv"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"

	"plumbline.dev/plumbline/trainer/loop"
	"plumbline.dev/plumbline/trainer/session"
)

// Prediction is a model's answer for one image.
type Prediction struct {
	Logit       float32 // calibrated
	Probability float32 // of the positive class
	Positive    bool    // logit >= threshold
}

// Served is an exported model that has been loaded. It takes images of [N,Size,Size,Channels] uint8.
type Served struct {
	Size, Channels int

	model                        *tf.SavedModel
	image                        tf.Output
	logit, probability, decision tf.Output
}

// Load loads a SavedModel that Write wrote, in the way of TensorFlow Serving: by its tag and signature.
func Load(dir string, threads int) (*Served, error) {
	model, err := tf.LoadSavedModel(dir, []string{tag}, session.Options(threads, false))
	if err != nil {
		return nil, fmt.Errorf("load the model in %s: %w", dir, err)
	}
	s := &Served{model: model}
	if err := s.bind(model.Signatures[signature]); err != nil {
		_ = model.Session.Close()
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
		return fmt.Errorf("signature %s has no input %q of [N,S,S,C] uint8: Plumbline did not write this model",
			signature, Image)
	}
	s.Size, s.Channels = int(shape[1]), int(shape[3])
	if s.image, err = s.tensor(sig.Inputs[Image].Name); err != nil {
		return err
	}
	for _, output := range []struct {
		name   string
		tensor *tf.Output
	}{{Logit, &s.logit}, {Probability, &s.probability}, {Decision, &s.decision}} {
		info, ok := sig.Outputs[output.name]
		if !ok {
			return fmt.Errorf("signature %s has no output %q: Plumbline did not write this model",
				signature, output.name)
		}
		if *output.tensor, err = s.tensor(info.Name); err != nil {
			return err
		}
	}
	return nil
}

// tensor finds a tensor of the graph by TensorFlow's name for it, operation:index.
func (s *Served) tensor(name string) (tf.Output, error) {
	operation, index, _ := strings.Cut(name, ":")
	i, err := strconv.Atoi(index)
	o := s.model.Graph.Operation(operation)
	if err != nil || o == nil || i >= o.NumOutputs() {
		return tf.Output{}, fmt.Errorf("its signature names a tensor %q that its graph does not have", name)
	}
	return o.Output(i), nil
}

// Predict asks the model about n images, whose channels must be in the order that the model was trained with.
// images: [n,Size,Size,Channels] uint8 -> [n]
func (s *Served) Predict(images []uint8, n int) ([]Prediction, error) {
	size := s.Size * s.Size * s.Channels
	if len(images) != n*size {
		return nil, fmt.Errorf("predict %d images of %dx%dx%d: %d bytes, want %d",
			n, s.Size, s.Size, s.Channels, len(images), n*size)
	}
	fetches := []tf.Output{s.logit, s.probability, s.decision}
	predictions := make([]Prediction, 0, n)
	for from, to := range loop.Parts(n, loop.ScoreAtOnce) {
		shape := []int64{int64(to - from), int64(s.Size), int64(s.Size), int64(s.Channels)}
		batch, err := session.TensorOf(images[from*size:to*size], shape...)
		if err != nil {
			return nil, fmt.Errorf("predict images %d to %d: %w", from, to-1, err)
		}
		out, err := s.model.Session.Run(map[tf.Output]*tf.Tensor{s.image: batch}, fetches, nil)
		if err != nil {
			return nil, fmt.Errorf("predict images %d to %d: %w", from, to-1, err)
		}
		logits, probabilities := out[0].Value().([]float32), out[1].Value().([]float32)
		decisions := out[2].Value().([]int64)
		for i := range logits {
			predictions = append(predictions, Prediction{
				Logit:       logits[i],
				Probability: probabilities[i],
				Positive:    decisions[i] == 1,
			})
		}
	}
	return predictions, nil
}
