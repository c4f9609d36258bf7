package loop

import (
	"fmt"
	"math"
	"slices"

	"plumbline.dev/plumbline/wire"
)

// logistic is the Stepper of these tests: logistic regression on pixels, trained by AdamW, with a running mean of what it sees
// for a statistic, averages of both, and half of its weights for a head. Like the real one it has no randomness of its own, so whatever differs between two runs is the loop's doing.
type logistic struct {
	image      int // bytes
	weights    []float32
	m, v       []float32
	seen       []float32 // [1], batch normalisation's place: moves in Step while the head is trained, is used in Evaluate
	averages   bool      // are kept, of the two
	weightsAvg []float32
	seenAvg    []float32
	steps      int // taken by this process
	evaluated  int
	spoilStep  func(taken int) bool             // makes a step not finite
	spoilScore func(call int, scores []float32) // changes what Evaluate returns
	after      func(steps, evaluated int)       // each call: tests interrupt here
}

func newLogistic(image int) *logistic {
	return &logistic{
		image: image, weights: make([]float32, image), m: make([]float32, image), v: make([]float32, image), seen: make([]float32, 1),
		weightsAvg: make([]float32, image), seenAvg: make([]float32, 1),
	}
}

func (l *logistic) raw(image []uint8) float32 { return dot(l.weights, image) }

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
		l.seen[0] = 0.9*l.seen[0] + 0.1*mean
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
	l.seenAvg[0] += p.Average * (l.seen[0] - l.seenAvg[0])
	return StepResult{Loss: loss / total, Finite: true}, nil
}

func (l *logistic) Restart() error {
	clear(l.m)
	clear(l.v)
	copy(l.weightsAvg, l.weights)
	copy(l.seenAvg, l.seen)
	return nil
}

func (l *logistic) Reestimate(images []uint8, n, k int) error {
	var mean float32
	for i := range n {
		mean += l.raw(images[i*l.image:(i+1)*l.image]) / float32(n)
	}
	l.seen[0] += (mean - l.seen[0]) / float32(k)
	return nil
}

func (l *logistic) Evaluate(images []uint8, n int) ([]float32, error) {
	defer l.called(&l.evaluated)
	scores := make([]float32, n)
	weights, seen := l.weights, l.seen
	if l.averages {
		weights, seen = l.weightsAvg, l.seenAvg
	}
	for i := range scores {
		scores[i] = dot(weights, images[i*l.image:(i+1)*l.image]) - seen[0]
	}
	if l.spoilScore != nil {
		l.spoilScore(l.evaluated+1, scores)
	}
	return scores, nil
}

func (l *logistic) called(counter *int) {
	*counter++
	if l.after != nil {
		l.after(l.steps, l.evaluated)
	}
}

func (l *logistic) tensors() Tensors {
	ts := Tensors{
		{Name: "adamw.m/fc.weight", Role: wire.RoleSlot, Shape: []int{l.image}, Data: l.m},
		{Name: "adamw.v/fc.weight", Role: wire.RoleSlot, Shape: []int{l.image}, Data: l.v},
	}
	if l.averages {
		ts = append(ts,
			Tensor{Name: "average/fc.seen", Role: wire.RoleAverage, Shape: []int{1}, Data: l.seenAvg},
			Tensor{Name: "average/fc.weight", Role: wire.RoleAverage, Shape: []int{l.image}, Data: l.weightsAvg})
	}
	return append(ts,
		Tensor{Name: "fc.seen", Role: wire.RoleStatistic, Shape: []int{1}, Data: l.seen},
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
			return fmt.Errorf("tensor %s where %s belongs", from[i].Name, t.Name)
		}
		copy(t.Data, from[i].Data)
	}
	return nil
}
