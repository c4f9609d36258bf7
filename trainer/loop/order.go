package loop

import (
	"math"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// sampler decides which samples an epoch trains on, and in which order. It has no state: an epoch's order follows from
// the seed and the epoch's number.
type sampler struct {
	byClass  [2][]int // indices of samples
	exponent float64  // a sample of class c is drawn with weight n_c^-exponent
	seed     int64
}

func newSampler(d Data, exponent float64, seed int64) sampler {
	s := sampler{exponent: exponent, seed: seed}
	for _, i := range d.Train {
		s.byClass[d.Labels[i]] = append(s.byClass[d.Labels[i]], i)
	}
	return s
}

// order returns the indices of an epoch's n samples, in order. With an exponent above 0 they are drawn with
// replacement, each sample of class c with weight n_c^-exponent. With the exponent 0 every sample comes once before
// any comes again.
func (s sampler) order(epoch, n int) []int {
	random := rand.New(rand.NewPCG(uint64(s.seed), uint64(epoch)))
	order := make([]int, 0, n)
	if s.exponent == 0 {
		all := append(append([]int{}, s.byClass[0]...), s.byClass[1]...)
		for len(order) < n {
			random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			order = append(order, all[:min(len(all), n-len(order))]...)
		}
		return order
	}
	defects := s.shareOfDefects()
	for range n {
		class := s.byClass[0]
		if random.Float64() < defects {
			class = s.byClass[1]
		}
		order = append(order, class[random.IntN(len(class))])
	}
	return order
}

// shareOfDefects returns the expected share of defects among the draws. The weights of class c sum to n_c n_c^-a, where
// a is the exponent.
func (s sampler) shareOfDefects() float64 {
	normal := math.Pow(float64(len(s.byClass[0])), 1-s.exponent)
	defect := math.Pow(float64(len(s.byClass[1])), 1-s.exponent)
	return defect / (normal + defect)
}

// lossWeight returns the weight of a defect in the loss, where the weight of a normal sample is 1. Only their ratio
// matters, because the loss divides by the sum of the weights. EffectiveNumber, if it is set, takes the place of
// LossWeight; its formula is that of Cui et al., "Class-Balanced Loss Based on Effective Number of Samples".
func lossWeight(counts [2]int, i wire.Imbalance) float64 {
	normal, defect := float64(counts[0]), float64(counts[1])
	if beta := i.EffectiveNumber; beta > 0 {
		return (1 - math.Pow(beta, normal)) / (1 - math.Pow(beta, defect))
	}
	return math.Pow(normal/defect, i.LossWeight)
}

// learningRate returns the head's learning rate at a step. position counts the trial's steps from 0; an epoch has
// perEpoch steps. In the head phase the rate is the peak. In the main phase it rises linearly over the steps of the
// warm-up, and then follows the schedule. A cosine would reach 0 one step after the last.
func learningRate(h wire.Hyperparameters, perEpoch, position int) float64 {
	position -= h.HeadEpochs * perEpoch
	warmup, total := h.WarmupEpochs*perEpoch, (h.Epochs-h.HeadEpochs)*perEpoch
	switch {
	case position < 0:
		return h.LearningRate
	case position < warmup:
		return h.LearningRate * float64(position+1) / float64(warmup)
	case h.Schedule == wire.Constant:
		return h.LearningRate
	}
	return h.LearningRate * (1 + math.Cos(math.Pi*float64(position-warmup)/float64(total-warmup))) / 2
}

// averageShare returns the share of the new weights in the averages at a phase's t-th step, t from 1:
// 1 - min(decay, (1+t)/(10+t)). The first steps have a larger share; otherwise the averages would stay close to the
// weights that training began with.
func averageShare(decay float64, t int64) float64 {
	if decay == 0 {
		return 0
	}
	return 1 - min(decay, float64(1+t)/float64(10+t))
}

// The loss of float16 training is multiplied by a power of two, as large as the gradients allow without overflowing. It
// is halved after a step whose gradients overflowed, and doubled after raiseAfter steps in a row that did not overflow
// (Micikevicius et al., "Mixed Precision Training").
const (
	firstScale   = 1 << 15
	highestScale = 1 << 24
	raiseAfter   = 2000 // steps
)

// nextScale returns the loss scale after a step. finite reports whether the gradients of that step were finite.
func nextScale(s wire.LossScale, finite bool) wire.LossScale {
	if !finite {
		return wire.LossScale{Value: max(1, s.Value/2)}
	}
	if s.Steps++; s.Steps == raiseAfter {
		return wire.LossScale{Value: min(highestScale, s.Value*2)}
	}
	return s
}
