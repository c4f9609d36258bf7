package session

import (
	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"
)

// augmentation is what a step is fed beside its images: how each is to be changed. What is drawn by chance is drawn by the loop.
type augmentation struct {
	transforms   tf.Output // [N,8]
	gain, offset tf.Output // [N,C]
	key          tf.Output // [2] int32, of the noise
	noise        bool
}

// drawAugment changes normalised images: moved and turned, then each channel y = x gain + offset, then noise. x: [N,S,S,C] -> the same
// What a transform brings in from outside is the nearest pixel: black would be a dark edge that no photograph has.
func drawAugment(s *op.Scope, x tf.Output, c Config) (augmentation, tf.Output) {
	side, channels := int32(c.Hyper.ImageSize), int64(c.Channels)
	a := augmentation{
		transforms: op.Placeholder(s.SubScope("transforms"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1, 8))),
		gain:       op.Placeholder(s.SubScope("gain"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1, channels))),
		offset:     op.Placeholder(s.SubScope("offset"), tf.Float, op.PlaceholderShape(tf.MakeShape(-1, channels))),
		noise:      c.Hyper.Augment.Noise > 0,
	}
	if c.Hyper.Augment.Shift > 0 || c.Hyper.Augment.Rotate > 0 {
		size := op.Const(s.SubScope("size"), []int32{side, side})
		x = op.ImageProjectiveTransformV3(s, x, a.transforms, size, op.Const(s.SubScope("fill"), float32(0)), "BILINEAR",
			op.ImageProjectiveTransformV3FillMode("NEAREST"))
	}
	perChannel := func(s *op.Scope, v tf.Output) tf.Output { // [N,C] -> [N,1,1,C]
		return op.Reshape(s, v, op.Const(s.SubScope("shape"), []int32{-1, 1, 1, int32(channels)}))
	}
	x = op.Mul(s.SubScope("gained"), x, perChannel(s.SubScope("gained"), a.gain))
	x = op.AddV2(s.SubScope("moved"), x, perChannel(s.SubScope("moved"), a.offset))
	if a.noise {
		n := s.SubScope("noise")
		a.key = op.Placeholder(n.SubScope("key"), tf.Int32, op.PlaceholderShape(tf.MakeShape(2)))
		normal := op.StatelessRandomNormal(n, op.Shape(n, x), a.key)
		x = op.AddV2(n, x, op.Mul(n, normal, op.Const(n, float32(c.Hyper.Augment.Noise))))
	}
	return a, x
}
