package loop

import (
	"fmt"
	"math"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// logistic is the Stepper of these tests: logistic regression on pixels, trained by AdamW. Half of its weights are its
// head. Its statistic is a running mean of its scores, and it can average both. Like session.Model it has no
// randomness, so the loop causes every difference between two runs.
type logistic struct {
	image       int // bytes of an image
	weights     []float32
	m, v        []float32
	mean        []float32 // [1], like a batch-norm statistic: Step moves it in the head phase, Evaluate subtracts it
	averages    bool      // whether averages of weights and mean are evaluated and saved
	weightsAvg  []float32
	meanAvg     []float32
	steps       int // calls of Step
	evaluations int // calls of Evaluate

	spoilStep  func(taken int) bool             // reports whether this step is not finite; may be nil
	spoilScore func(call int, scores []float32) // changes the scores that Evaluate returns; may be nil
	after      func(steps, evaluations int)     // is called after each Step and Evaluate; tests interrupt here
}

func newLogistic(image int) *logistic {
	return &logistic{
		image:      image,
		weights:    make([]float32, image),
		m:          make([]float32, image),
		v:          make([]float32, image),
		mean:       make([]float32, 1),
		weightsAvg: make([]float32, image),
		meanAvg:    make([]float32, 1),
	}
}

// raw returns the score of an image before the mean is subtracted.
func (l *logistic) raw(image []uint8) float32 { return dot(l.weights, image) }

// dot returns the inner product of weights and pixels, which are scaled to -0.5 to 0.5.
func dot(weights []float32, image []uint8) (z float32) {
	for k, v := range image {
		z += weights[k] * (float32(v)/255 - 0.5)
	}
	return z
}

func (l *logistic) Step(b Batch, p StepParams) (StepResult, error) {
	defer l.called(&l.steps)
	if l.spoilStep != nil && l.spoilStep(l.steps+1) {
		return StepResult{Loss: float32(math.NaN()), GradNorm: float32(math.NaN())}, nil
	}
	gradient := make([]float32, l.image)
	var loss, total, mean float32
	for i, label := range b.Labels {
		image := b.Images[i*l.image : (i+1)*l.image]
		gain := float32(1)
		if b.Augment != nil {
			gain = b.Augment.Gain[i*len(b.Augment.Gain)/len(b.Labels)]
		}
		z := gain * l.raw(image)
		mean += z / float32(len(b.Labels))
		q := float32(1 / (1 + math.Exp(-float64(z))))
		loss += b.Weights[i] * float32(math.Log1p(math.Exp(float64(z)))-float64(label)*float64(z))
		total += b.Weights[i]
		for k, v := range image {
			gradient[k] += gain * b.Weights[i] * (q - float32(label)) * (float32(v)/255 - 0.5)
		}
	}
	trained := len(gradient)
	if p.Phase == Head {
		trained /= 2
		l.mean[0] = 0.9*l.mean[0] + 0.1*mean
	}
	for k := range trained {
		g := gradient[k] / total
		l.m[k] = 0.9*l.m[k] + 0.1*g
		l.v[k] = 0.999*l.v[k] + 0.001*g*g
		m := float64(l.m[k]) / (1 - math.Pow(0.9, float64(p.PhaseStep)))
		v := float64(l.v[k]) / (1 - math.Pow(0.999, float64(p.PhaseStep)))
		l.weights[k] -= p.LearningRate * float32(m/(math.Sqrt(v)+1e-8))
		l.weightsAvg[k] += p.Average * (l.weights[k] - l.weightsAvg[k])
	}
	l.meanAvg[0] += p.Average * (l.mean[0] - l.meanAvg[0])
	return StepResult{Loss: loss / total, Finite: true}, nil
}

func (l *logistic) Restart() error {
	clear(l.m)
	clear(l.v)
	copy(l.weightsAvg, l.weights)
	copy(l.meanAvg, l.mean)
	return nil
}

func (l *logistic) Reestimate(images []uint8, n, k int) error {
	var mean float32
	for i := range n {
		mean += l.raw(images[i*l.image:(i+1)*l.image]) / float32(n)
	}
	l.mean[0] += (mean - l.mean[0]) / float32(k)
	return nil
}

func (l *logistic) Evaluate(images []uint8, n int) ([]float32, error) {
	defer l.called(&l.evaluations)
	scores := make([]float32, n)
	weights, mean := l.weights, l.mean
	if l.averages {
		weights, mean = l.weightsAvg, l.meanAvg
	}
	for i := range scores {
		scores[i] = dot(weights, images[i*l.image:(i+1)*l.image]) - mean[0]
	}
	if l.spoilScore != nil {
		l.spoilScore(l.evaluations+1, scores)
	}
	return scores, nil
}

// called counts a call, and lets the test act after it.
func (l *logistic) called(counter *int) {
	*counter++
	if l.after != nil {
		l.after(l.steps, l.evaluations)
	}
}

// tensors returns all tensors, ordered by name, without copying them.
func (l *logistic) tensors() Tensors {
	ts := Tensors{
		{Name: "adamw.m/fc.weight", Role: wire.RoleSlot, Shape: []int{l.image}, Data: l.m},
		{Name: "adamw.v/fc.weight", Role: wire.RoleSlot, Shape: []int{l.image}, Data: l.v},
	}
	if l.averages {
		ts = append(ts,
			Tensor{Name: "average/fc.seen", Role: wire.RoleAverage, Shape: []int{1}, Data: l.meanAvg},
			Tensor{Name: "average/fc.weight", Role: wire.RoleAverage, Shape: []int{l.image}, Data: l.weightsAvg})
	}
	return append(ts,
		Tensor{Name: "fc.seen", Role: wire.RoleStatistic, Shape: []int{1}, Data: l.mean},
		Tensor{Name: "fc.weight", Role: wire.RoleWeight, Shape: []int{l.image}, Data: l.weights})
}

func (l *logistic) Snapshot(kind Kind) (Tensors, error) {
	copied := l.tensors()
	for i := range copied {
		copied[i].Data = slices.Clone(copied[i].Data)
	}
	if kind == Inference {
		return copied.Inference(), nil
	}
	return copied, nil
}

func (l *logistic) Restore(kind Kind, from Tensors) error {
	own := l.tensors()
	if kind == Inference {
		own = own.Inference()
	}
	if len(own) != len(from) {
		return fmt.Errorf("%d tensors, want %d", len(from), len(own))
	}
	for i, t := range own {
		if from[i].Name != t.Name || len(from[i].Data) != len(t.Data) {
			return fmt.Errorf("tensor %s, want %s", from[i].Name, t.Name)
		}
		copy(t.Data, from[i].Data)
	}
	return nil
}
