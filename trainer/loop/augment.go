package loop

import (
	"math"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// Augmentation says how each image of a batch is changed inside the graph.
type Augmentation struct {
	Transforms []float32 // [N,8] from a place in the new image to one in the old: x' = t0 x + t1 y + t2, y' = t3 x + t4 y + t5
	Gain       []float32 // [N,C] of the normalised channel
	Offset     []float32 // [N,C] added to it then
	Key        [2]int32  // of the noise; for the part of a batch that begins with its k-th sample the second number is k higher
}

// augmentation draws the changes of the n samples that an epoch has at position from. They follow from (seed, epoch, position) alone:
// neither threads nor an interruption change them.
func augmentation(a wire.Augment, seed int64, epoch, from, n int, d Data) *Augmentation {
	if !a.Any() {
		return nil
	}
	c := len(d.Channels)
	out := &Augmentation{
		Transforms: make([]float32, 0, 8*n), Gain: make([]float32, 0, c*n), Offset: make([]float32, 0, c*n),
		Key: [2]int32{int32(seed) ^ int32(epoch)<<16, int32(from)},
	}
	for k := range n {
		random := rand.New(rand.NewPCG(uint64(seed)^0x617567, uint64(epoch)<<32|uint64(from+k))) // "aug"
		within := func(limit float64) float64 { return limit * (2*random.Float64() - 1) }

		turn := within(a.Rotate) * math.Pi / 180
		side := float64(d.Size)
		dx, dy := within(a.Shift)*side, within(a.Shift)*side
		out.Transforms = append(out.Transforms, transform(turn, dx, dy, (side-1)/2)...)

		kept := random.IntN(c) // the channel that is never dropped
		for channel := range c {
			gain, offset := 1+within(a.Gain), within(a.Offset)
			if random.Float64() < a.ChannelDropout && channel != kept {
				gain, offset = 0, 0 // a normalised channel's mean
			}
			out.Gain, out.Offset = append(out.Gain, float32(gain)), append(out.Offset, float32(offset))
		}
	}
	return out
}

// transform turns about the centre and moves by (dx, dy) pixels.
func transform(turn, dx, dy, centre float64) []float32 {
	sin, cos := math.Sincos(turn)
	return []float32{
		float32(cos), float32(-sin), float32(centre - cos*centre + sin*centre + dx),
		float32(sin), float32(cos), float32(centre - sin*centre - cos*centre + dy),
		0, 0,
	}
}
