package loop

import (
	"math"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// Augmentation holds the random changes that the graph applies to the images of one batch: N images of C channels.
type Augmentation struct {
	// Transforms has the shape [N,8]. Each row maps a place (x, y) in the new image to a place (x', y') in the old one:
	// x' = t0 x + t1 y + t2, y' = t3 x + t4 y + t5. t6 and t7 are 0.
	Transforms []float32
	// Gain has the shape [N,C]. A normalised channel is multiplied by it.
	Gain []float32
	// Offset has the shape [N,C]. It is added to the normalised channel after the gain.
	Offset []float32
	// Key is the key of the noise. A part of a batch that begins at the batch's k-th sample uses a second number that
	// is k higher.
	Key [2]int32
}

// augmentation draws the changes for n samples of an epoch, from the position `from` on. It returns nil when nothing is
// augmented. The changes follow from (seed, epoch, position) alone, so neither threads nor an interruption alter them.
func augmentation(a wire.Augment, seed int64, epoch, from, n int, d Data) *Augmentation {
	if !a.Any() {
		return nil
	}
	c := len(d.Channels)
	out := &Augmentation{
		Transforms: make([]float32, 0, 8*n),
		Gain:       make([]float32, 0, c*n),
		Offset:     make([]float32, 0, c*n),
		Key:        [2]int32{int32(seed) ^ int32(epoch)<<16, int32(from)},
	}
	for k := range n {
		random := rand.New(rand.NewPCG(uint64(seed)^0x617567, uint64(epoch)<<32|uint64(from+k))) // "aug"
		within := func(limit float64) float64 { return limit * (2*random.Float64() - 1) }

		turn := within(a.Rotate) * math.Pi / 180
		side := float64(d.Size)
		dx, dy := within(a.Shift)*side, within(a.Shift)*side
		out.Transforms = append(out.Transforms, transform(turn, dx, dy, (side-1)/2)...)

		kept := random.IntN(c) // this channel is never dropped
		for channel := range c {
			gain, offset := 1+within(a.Gain), within(a.Offset)
			if random.Float64() < a.ChannelDropout && channel != kept {
				gain, offset = 0, 0 // the mean of a normalised channel is 0
			}
			out.Gain, out.Offset = append(out.Gain, float32(gain)), append(out.Offset, float32(offset))
		}
	}
	return out
}

// transform returns the row of Augmentation.Transforms that turns an image about its centre by turn, in radians, and
// shifts it by (dx, dy) pixels. centre is the x and the y of the centre.
func transform(turn, dx, dy, centre float64) []float32 {
	sin, cos := math.Sincos(turn)
	return []float32{
		float32(cos), float32(-sin), float32(centre - cos*centre + sin*centre + dx),
		float32(sin), float32(cos), float32(centre - sin*centre - cos*centre + dy),
		0, 0,
	}
}
