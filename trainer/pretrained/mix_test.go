package pretrained

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// The golden kernels are timm's, computed by hack/reference/pretrained_golden.py.
func TestTileIsTimms(t *testing.T) {
	text, err := os.ReadFile("testdata/tile.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Shape   []int
		Kernel  []float32
		Adapted map[string][]float32
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	kernel := safetensors.Tensor{Name: inputKernel, Shape: golden.Shape, Data: golden.Kernel}
	for channels, want := range golden.Adapted {
		t.Run(channels+" channels", func(t *testing.T) {
			n, _ := strconv.Atoi(channels)
			mix, err := NewMix(wire.Pretrained{InputAdaptation: wire.AdaptTile}, names(n))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, mix.kernel(kernel).Data); diff != "" { // to the last bit
				t.Error(diff)
			}
		})
	}
}

// names returns the names of n channels: c0, c1, ...
func names(n int) (channels []string) {
	for i := range n {
		channels = append(channels, "c"+strconv.Itoa(i))
	}
	return channels
}

func TestMixOfEachAdaptation(t *testing.T) {
	tile := wire.Pretrained{InputAdaptation: wire.AdaptTile}
	mean := wire.Pretrained{InputAdaptation: wire.AdaptMean}
	third := 1. / 3
	mapped := func(colours ...string) wire.Pretrained {
		p := wire.Pretrained{InputAdaptation: wire.AdaptMapped, Colours: map[string]string{}}
		for i, c := range colours {
			p.Colours[names(len(colours))[i]] = c
		}
		return p
	}
	for name, test := range map[string]struct {
		how  wire.Pretrained
		n    int
		want Mix
	}{
		"tile, three channels stay as they are": {
			tile, 3,
			Mix{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		},
		"tile, four channels": {
			tile, 4,
			Mix{{.75, 0, 0}, {0, .75, 0}, {0, 0, .75}, {.75, 0, 0}},
		},
		"tile, one channel gets the sum": {
			tile, 1,
			Mix{{1, 1, 1}},
		},
		"mean, two channels": {
			mean, 2,
			Mix{{.5, .5, .5}, {.5, .5, .5}},
		},
		"mapped, each colour once": {
			mapped("B", "R", "G"), 3,
			Mix{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}},
		},
		"mapped, two channels share one colour": {
			mapped("R", "R", "G", "B"), 4,
			Mix{{.5, 0, 0}, {.5, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		},
		"mapped, a mean counts as a third of a channel for every colour": {
			mapped("R", "G", "B", "mean"), 4,
			Mix{{.75, 0, 0}, {0, .75, 0}, {0, 0, .75}, {.25, .25, .25}},
		},
		"mapped, all inherit the mean": {
			mapped("mean", "mean"), 2,
			Mix{{.5, .5, .5}, {.5, .5, .5}},
		},
		"mapped, no channel inherits blue": {
			mapped("G", "R"), 2,
			Mix{{0, 1.5, 0}, {1.5, 0, 0}},
		},
		"mapped, one colour for all": {
			mapped("G", "G"), 2,
			Mix{{0, 1.5, 0}, {0, 1.5, 0}},
		},
		"mapped, one channel that inherits the mean": {
			mapped("mean"), 1,
			Mix{{1, 1, 1}},
		},
		"mapped, a colour beside means": {
			mapped("R", "mean", "mean"), 3,
			Mix{{.6, 0, 0}, {third * .6, .5, .5}, {third * .6, .5, .5}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NewMix(test.how, names(test.n))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Error(diff)
			}
			sum := 0.
			for _, amounts := range got {
				sum += amounts[0] + amounts[1] + amounts[2]
			}
			if sum < 3-1e-12 || sum > 3+1e-12 {
				t.Errorf("the numbers sum to %v, want 3", sum)
			}
		})
	}
}

func TestNewMixRefuses(t *testing.T) {
	mapped := func(colours map[string]string) wire.Pretrained {
		return wire.Pretrained{InputAdaptation: wire.AdaptMapped, Colours: colours}
	}
	for name, test := range map[string]struct {
		how      wire.Pretrained
		channels []string
		want     string
	}{
		"an unknown adaptation": {
			wire.Pretrained{InputAdaptation: "zoom"}, names(3),
			`"zoom" is not one of`,
		},
		"no channels": {
			wire.Pretrained{InputAdaptation: wire.AdaptTile}, nil,
			"the data has no channel",
		},
		"a channel without a colour": {
			mapped(map[string]string{"c0": "R"}), names(2),
			"channel c1 is given no colour",
		},
		"an unknown colour": {
			mapped(map[string]string{"c0": "IR"}), names(1),
			`channel c0 is given the colour "IR"`,
		},
		"a colour for a channel that does not exist": {
			mapped(map[string]string{"c0": "R", "UV": "B"}), names(1),
			"channel UV is given a colour, but the data has only the channels [c0]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewMix(test.how, test.channels); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}
