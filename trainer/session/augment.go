package session

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// augmentation holds the placeholders that say how each image of a step is to be changed. The loop draws the random
// numbers and feeds them, so that the graph keeps no random state.
type augmentation struct {
	transforms   tf.Output // [N,8], see loop.Augmentation
	gain, offset tf.Output // [N,C]
	key          tf.Output // [2] int32, of the noise; fed only where noise is true
	noise        bool
}

// drawAugment draws the changes of normalised images: first a turn and a shift, then y = x gain + offset for each
// channel, then noise. x: [N,S,S,C] -> [N,S,S,C]
//
// A pixel that a turn or a shift brings in from outside repeats the nearest pixel: black would be a dark edge, which no
// image of an inspection has.
func drawAugment(s *op.Scope, x tf.Output, c Config) (augmentation, tf.Output) {
	side, channels := int32(c.Hyper.ImageSize), int64(c.Channels)
	perSample := func(name string, width int64) tf.Output { // [N,width]
		return op.Placeholder(s.SubScope(name), tf.Float, op.PlaceholderShape(tf.MakeShape(-1, width)))
	}
	a := augmentation{
		transforms: perSample("transforms", 8),
		gain:       perSample("gain", channels),
		offset:     perSample("offset", channels),
		noise:      c.Hyper.Augment.Noise > 0,
	}
	if c.augmentMoves() {
		size := op.Const(s.SubScope("size"), []int32{side, side})
		fill := op.Const(s.SubScope("fill"), float32(0)) // NEAREST does not use it
		x = op.ImageProjectiveTransformV3(s, x, a.transforms, size, fill, "BILINEAR",
			op.ImageProjectiveTransformV3FillMode("NEAREST"))
	}
	perChannel := func(s *op.Scope, v tf.Output) tf.Output { // [N,C] -> [N,1,1,C]
		return op.Reshape(s, v, op.Const(s.SubScope("shape"), []int32{-1, 1, 1, int32(channels)}))
	}
	x = op.Mul(s.SubScope("gained"), x, perChannel(s.SubScope("gained"), a.gain))
	x = op.AddV2(s.SubScope("moved"), x, perChannel(s.SubScope("moved"), a.offset))
	if a.noise {
		// The operation is stateless: the noise follows from the fed key alone.
		n := s.SubScope("noise")
		a.key = op.Placeholder(n.SubScope("key"), tf.Int32, op.PlaceholderShape(tf.MakeShape(2)))
		normal := op.StatelessRandomNormal(n, op.Shape(n, x), a.key)
		x = op.AddV2(n, x, op.Mul(n, normal, op.Const(n, float32(c.Hyper.Augment.Noise))))
	}
	return a, x
}
