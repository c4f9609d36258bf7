package wire

import (
	"math"
	"strings"
	"testing"
)

func TestWhatFloat32CannotHoldIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Hyperparameters)
		want   string // empty where it is accepted
	}{
		"the recipe":                        {func(h *Hyperparameters) {}, ""},
		"the least epsilon":                 {func(h *Hyperparameters) { h.Epsilon = 1e-30 }, ""},
		"an epsilon that becomes 0":         {func(h *Hyperparameters) { h.Epsilon = 1e-60 }, "hyperparameters.epsilon 1e-60 is outside 1e-30..1e+06"},
		"an epsilon of 0":                   {func(h *Hyperparameters) { h.Epsilon = 0 }, "hyperparameters.epsilon 0 is outside"},
		"a learning rate that becomes Inf":  {func(h *Hyperparameters) { h.LearningRate = 1e39 }, "hyperparameters.learningRate 1e+39 is outside 1e-30..1e+06"},
		"a learning rate that becomes 0":    {func(h *Hyperparameters) { h.LearningRate = 1e-60 }, "hyperparameters.learningRate 1e-60 is outside"},
		"a learning rate that is no number": {func(h *Hyperparameters) { h.LearningRate = math.NaN() }, "hyperparameters.learningRate NaN is outside"},
		"no decay":                          {func(h *Hyperparameters) { h.WeightDecay = 0 }, ""},
		"a decay that becomes Inf":          {func(h *Hyperparameters) { h.WeightDecay = 1e39 }, "hyperparameters.weightDecay 1e+39 is outside 0..1e+06"},
		"no clipping":                       {func(h *Hyperparameters) { h.ClipNorm = 0 }, ""},
		"a norm that becomes 0":             {func(h *Hyperparameters) { h.ClipNorm = 1e-60 }, "hyperparameters.clipNorm 1e-60 is neither 0, which does not clip, nor within 1e-30..1e+06"},
		"a norm that becomes Inf":           {func(h *Hyperparameters) { h.ClipNorm = 1e39 }, "hyperparameters.clipNorm 1e+39 is neither"},
		"a norm that is no number":          {func(h *Hyperparameters) { h.ClipNorm = math.NaN() }, "hyperparameters.clipNorm NaN is neither"},
	} {
		h, _ := Recipe(PresetDefault, false)
		test.change(&h)
		err := h.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
