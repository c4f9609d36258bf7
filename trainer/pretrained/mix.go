package pretrained

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plumbline.dev/plumbline/trainer/safetensors"
	"plumbline.dev/plumbline/wire"
)

// Mix says how much of the first convolution's kernels for red, green and blue is in the kernel of each channel: the
// kernel of channel c is the sum over the colours k of Mix[c][k] times the kernel of colour k.
//
// All numbers of a Mix sum to 3. In the original network, where each colour has one channel, they do too. So the next
// layers get responses as strong as those that they were trained with. If the numbers of each single colour sum to 1,
// an image that is the same in all channels gives exactly the response that a grey photograph gave. They do so for
// mean, for mapped if every colour is inherited, and for tile if there is one channel or 3 divides their number.
type Mix [][3]float64 // [channel][colour]

// NewMix returns the Mix of an input adaptation. C is the number of channels, c a channel, and k one of the three
// colours.
//
//	tile     Channel c gets colour c mod 3, times 3/C. A single channel gets the sum of the three. timm does the same.
//	mean     Every channel gets the mean of the three colours, times 3/C.
//	mapped   The settings say which colour each channel inherits. h[c][k] is 1 for the colour of channel c and 0 for
//	         the others; if it inherits "mean", h[c][k] is 1/3 for each colour. The kernel of a colour is shared among
//	         the channels that inherit it: channel c gets h[c][k] / (sum over channels of h[.][k]). If u of the three
//	         colours are inherited by no channel, everything is multiplied by 3/(3-u), so that responses stay as
//	         strong.
//
// An error means that the settings are wrong, or do not fit the channels.
func NewMix(how wire.Pretrained, channels []string) (Mix, error) {
	mix := make(Mix, len(channels))
	if len(channels) == 0 {
		return nil, errors.New("the data has no channel to adapt pretrained weights to")
	}
	scale := 3 / float64(len(channels))
	switch how.InputAdaptation {
	case wire.AdaptTile:
		for c := range mix {
			mix[c][c%3] = scale
		}
		if len(mix) == 1 {
			mix[0] = [3]float64{1, 1, 1}
		}
	case wire.AdaptMean:
		for c := range mix {
			mix[c] = [3]float64{scale / 3, scale / 3, scale / 3}
		}
	case wire.AdaptMapped:
		if err := mix.setMapped(how.Colours, channels); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("input adaptation %q is not one of %v", how.InputAdaptation, wire.Adaptations)
	}
	return mix, nil
}

// shares is h of NewMix: how much of red, green and blue a channel inherits, by the setting's word.
var shares = map[string][3]float64{
	"R":    {1, 0, 0},
	"G":    {0, 1, 0},
	"B":    {0, 0, 1},
	"mean": {1. / 3, 1. / 3, 1. / 3},
}

// setMapped sets m as mapped says in NewMix. colours has the colour of each channel by the channel's name.
func (m Mix) setMapped(colours map[string]string, channels []string) error {
	var errs []error
	var total [3]float64 // of each colour, over the channels that inherit it
	for c, channel := range channels {
		h, ok := shares[colours[channel]]
		if colours[channel] == "" {
			errs = append(errs, fmt.Errorf("channel %s is given no colour; give it one of %v", channel, wire.Colours))
		} else if !ok {
			errs = append(errs, fmt.Errorf("channel %s is given the colour %q, which is not one of %v",
				channel, colours[channel], wire.Colours))
		}
		m[c] = h
		for k := range total {
			total[k] += h[k]
		}
	}
	for channel := range colours {
		if !slices.Contains(channels, channel) {
			errs = append(errs, fmt.Errorf("channel %s is given a colour, but the data has only the channels %v",
				channel, channels))
		}
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	used := 0. // colours that some channel inherits: 3-u
	for _, t := range total {
		if t > 0 {
			used++
		}
	}
	for c := range m {
		for k, t := range total {
			if t > 0 {
				m[c][k] *= 3 / used / t
			}
		}
	}
	return nil
}

// Adapted returns the tensors for the channels of mix, without the head, which is for other classes. It does not change
// w.
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

// kernel returns the adapted kernel: [out,3,h,w] -> [out,C,h,w]. It computes in float32, as timm does, so that tile
// gives timm's kernel to the last bit.
func (m Mix) kernel(t safetensors.Tensor) safetensors.Tensor {
	out, area := t.Shape[0], t.Shape[2]*t.Shape[3]
	mixed := safetensors.Tensor{
		Name:  t.Name,
		Shape: []int{out, len(m), t.Shape[2], t.Shape[3]},
		Data:  make([]float32, out*len(m)*area),
	}
	for o := range out {
		for c, amounts := range m {
			into := mixed.Data[(o*len(m)+c)*area:][:area]
			for k, amount := range amounts {
				if amount == 0 {
					continue
				}
				for i, v := range t.Data[(o*3+k)*area:][:area] {
					into[i] += float32(v * float32(amount)) // the conversion prevents a fused multiply-add
				}
			}
		}
	}
	return mixed
}
