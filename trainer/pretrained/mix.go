package pretrained

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// Mix says how much of the first convolution's kernels for red, green and blue goes into the kernel of each channel. Its numbers sum to
// 3, as those of the untouched network do, so that what follows sees responses of the strength that it was trained with. Where each
// colour's sum to 1 (not so in tile, unless 3 divides C), an image that is the same in all channels gives exactly the response that a
// grey photograph gave.
type Mix [][3]float64 // [channel][colour]

// NewMix turns an input adaptation into numbers. C is the number of channels, k one of the three colours.
//
//	tile     channel c has colour c mod 3, times 3/C; a single channel has the sum of the three. timm does the same.
//	mean     every channel has the mean of the three, times 3/C.
//	mapped   channel c inherits h[c], which is 1 for its colour, or a third of each for "mean". Each colour's kernel is shared among
//	         those that inherit it: h[c][k] / sum over channels of h[.][k]. Where u of the three colours are inherited by nobody,
//	         everything is multiplied by 3/(3-u), so that the response stays as strong.
//
// An error is one of settings.
func NewMix(how wire.Pretrained, channels []string) (Mix, error) {
	mix := make(Mix, len(channels))
	if len(channels) == 0 {
		return nil, errors.New("no channel to adapt the input to")
	}
	share := 3 / float64(len(channels))
	switch how.InputAdaptation {
	case wire.AdaptTile:
		for c := range mix {
			mix[c][c%3] = share
		}
		if len(mix) == 1 {
			mix[0] = [3]float64{1, 1, 1}
		}
	case wire.AdaptMean:
		for c := range mix {
			mix[c] = [3]float64{share / 3, share / 3, share / 3}
		}
	case wire.AdaptMapped:
		if err := mix.inherit(how.Colours, channels); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("input adaptation %q is not one of %v", how.InputAdaptation, wire.Adaptations)
	}
	return mix, nil
}

var inherited = map[string][3]float64{"R": {1, 0, 0}, "G": {0, 1, 0}, "B": {0, 0, 1}, "mean": {1. / 3, 1. / 3, 1. / 3}}

func (m Mix) inherit(colours map[string]string, channels []string) error {
	var errs []error
	var heirs [3]float64
	for c, channel := range channels {
		h, ok := inherited[colours[channel]]
		if colours[channel] == "" {
			errs = append(errs, fmt.Errorf("channel %s is given no colour: one of %v", channel, wire.Colours))
		} else if !ok {
			errs = append(errs, fmt.Errorf("channel %s inherits %q, which is not one of %v", channel, colours[channel], wire.Colours))
		}
		m[c] = h
		for k := range heirs {
			heirs[k] += h[k]
		}
	}
	for channel := range colours {
		if !slices.Contains(channels, channel) {
			errs = append(errs, fmt.Errorf("channel %s is given a colour, but the data has the channels %v", channel, channels))
		}
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	used := 0.
	for _, h := range heirs {
		if h > 0 {
			used++
		}
	}
	for c := range m {
		for k, h := range heirs {
			if h > 0 {
				m[c][k] *= 3 / used / h
			}
		}
	}
	return nil
}

// Adapted are the tensors for the channels of mix, without the head, which knows other classes. w stays as it is.
func (w Weights) Adapted(mix Mix) []safetensors.Tensor {
	var ts []safetensors.Tensor
	for _, t := range w.Tensors {
		switch t.Name {
		case headWeight, headBias:
			continue
		case inputKernel:
			t = mix.kernel(t)
		}
		ts = append(ts, t)
	}
	return ts
}

// kernel: [out,3,h,w] -> [out,C,h,w]. It computes in float32, as timm does, so that tile is the same to the last bit.
func (m Mix) kernel(t safetensors.Tensor) safetensors.Tensor {
	out, area := t.Shape[0], t.Shape[2]*t.Shape[3]
	mixed := safetensors.Tensor{Name: t.Name, Shape: []int{out, len(m), t.Shape[2], t.Shape[3]}, Data: make([]float32, out*len(m)*area)}
	for o := range out {
		for c, amounts := range m {
			into := mixed.Data[(o*len(m)+c)*area:][:area]
			for k, amount := range amounts {
				if amount == 0 {
					continue
				}
				for i, v := range t.Data[(o*3+k)*area:][:area] {
					into[i] += float32(v * float32(amount)) // the conversion keeps a compiler from fusing the two
				}
			}
		}
	}
	return mixed
}
