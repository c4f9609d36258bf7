package session

import (
	"errors"
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	"github.com/wamuir/graft/tensorflow/op"

	"plumbline.dev/plumbline/trainer/resnet"
	"plumbline.dev/plumbline/wire"
)

// reestimateGraph measures a batch and moves the running statistics by a fed share of the way to the batch's.
type reestimateGraph struct {
	images, share, finite tf.Output
	update                *tf.Operation
}

// drawReestimate draws a forward pass in training mode, and the update of the running statistics. Nothing is updated
// unless logits and statistics are finite.
func (m *Model) drawReestimate() *reestimateGraph {
	s := m.root.SubScope("reestimate")
	g := &reestimateGraph{
		images: m.imagePlaceholder(s),
		share:  op.Placeholder(s.SubScope("share"), tf.Float, op.PlaceholderShape(tf.ScalarShape())),
	}
	options := resnet.Options{Mode: resnet.Training, Compute: m.config.compute()}
	pass := m.net.Forward(s, m.net.Normalise(s, g.images), options)
	g.finite = allFinite(s.SubScope("finite"), sum(s.SubScope("logits"), pass.Logits), nil, pass.Measured)
	share := gate(s.SubScope("share"), g.share, g.finite)
	updates, _ := followStatistics(s.SubScope("statistics"), pass.Measured, share)
	g.update = op.NoOp(s.SubScope("update").WithControlDependencies(updates...))
	return g
}

// sum: [N,K] -> scalar
func sum(s *op.Scope, x tf.Output) tf.Output {
	return op.Sum(s, x, op.Const(s.SubScope("all"), []int32{0, 1}))
}

// Reestimate makes the running statistics the mean of the statistics of several batches of equal size. It is called
// once for each batch, and k counts the batches from 1. Nothing else changes. images: [n,S,S,C] uint8
//
// Batch k moves the running statistics by 1/k of the way to its own: the first batch replaces them, and after each
// batch they are the mean over the batches so far.
func (m *Model) Reestimate(images []uint8, n, k int) error {
	if m.reestimate == nil {
		g := m.drawReestimate()
		if err := m.root.Err(); err != nil {
			return fmt.Errorf("draw the re-estimation: %w", err)
		}
		m.reestimate = g
	}
	g, side := m.reestimate, int64(m.config.Hyper.ImageSize)
	if err := wire.CheckBatch(n, 1); err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	if len(images) != n*m.imageBytes() || k < 1 {
		return fmt.Errorf("re-estimate statistics on %d images of %d bytes, batch %d", n, len(images), k)
	}
	feeds := map[tf.Output]*tf.Tensor{}
	err := errors.Join(
		addFeed(m, feeds, g.images, images, int64(n), side, side, int64(m.config.Channels)),
		addFeed(m, feeds, g.share, []float32{1 / float32(k)}))
	if err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	out, err := m.session.Run(feeds, []tf.Output{g.finite}, []*tf.Operation{g.update})
	if err != nil {
		return fmt.Errorf("re-estimate statistics: %w", err)
	}
	if !out[0].Value().(bool) {
		return fmt.Errorf("re-estimate statistics: the logits or statistics of batch %d are not finite", k)
	}
	return nil
}
