package wire

import (
	"math"
	"strings"
	"testing"
)

func TestASettingThatFloat32CannotHoldIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Hyperparameters)
		want   string // empty: the setting is accepted
	}{
		"the recipe": {
			change: func(h *Hyperparameters) {},
		},
		"the least epsilon": {
			change: func(h *Hyperparameters) { h.Epsilon = 1e-30 },
		},
		"an epsilon that becomes 0": {
			change: func(h *Hyperparameters) { h.Epsilon = 1e-60 },
			want:   "hyperparameters.epsilon 1e-60 is outside 1e-30..1e+06",
		},
		"an epsilon of 0": {
			change: func(h *Hyperparameters) { h.Epsilon = 0 },
			want:   "hyperparameters.epsilon 0 is outside",
		},
		"a learning rate that becomes Inf": {
			change: func(h *Hyperparameters) { h.LearningRate = 1e39 },
			want:   "hyperparameters.learningRate 1e+39 is outside 1e-30..1e+06",
		},
		"a learning rate that becomes 0": {
			change: func(h *Hyperparameters) { h.LearningRate = 1e-60 },
			want:   "hyperparameters.learningRate 1e-60 is outside",
		},
		"a learning rate that is NaN": {
			change: func(h *Hyperparameters) { h.LearningRate = math.NaN() },
			want:   "hyperparameters.learningRate NaN is outside",
		},
		"no decay": {
			change: func(h *Hyperparameters) { h.WeightDecay = 0 },
		},
		"a decay that becomes Inf": {
			change: func(h *Hyperparameters) { h.WeightDecay = 1e39 },
			want:   "hyperparameters.weightDecay 1e+39 is outside 0..1e+06",
		},
		"no clipping": {
			change: func(h *Hyperparameters) { h.ClipNorm = 0 },
		},
		"a norm that becomes 0": {
			change: func(h *Hyperparameters) { h.ClipNorm = 1e-60 },
			want:   "hyperparameters.clipNorm 1e-60 is neither 0, which turns clipping off, nor within 1e-30..1e+06",
		},
		"a norm that becomes Inf": {
			change: func(h *Hyperparameters) { h.ClipNorm = 1e39 },
			want:   "hyperparameters.clipNorm 1e+39 is neither",
		},
		"a norm that is NaN": {
			change: func(h *Hyperparameters) { h.ClipNorm = math.NaN() },
			want:   "hyperparameters.clipNorm NaN is neither",
		},
	} {
		h, _ := Recipe(PresetDefault, false)
		test.change(&h)
		err := h.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
