package session

import (
	"fmt"
	"testing"

	"plumbline.dev/plumbline/trainer/loop"
)

// BenchmarkStep is one training step at 64x64x6 with two threads; it reports images a second.
//
//	go test -run - -bench Step -benchtime 20x ./trainer/session
func BenchmarkStep(b *testing.B) {
	for _, depth := range []int{18, 34, 50, 101, 152} {
		for _, batch := range []int{16, 32} {
			b.Run(fmt.Sprintf("depth=%d/batch=%d", depth, batch), func(b *testing.B) {
				c := small(depth)
				c.Hyper.ImageSize = 64
				m, err := New(c)
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close()
				data := toyBatch(c, batch, 1)
				step := int64(0)
				take := func() {
					step++
					if _, err := m.Step(data, loop.StepParams{Phase: loop.All, LearningRate: 1e-3, PhaseStep: step}); err != nil {
						b.Fatal(err)
					}
				}
				take() // compiles the graph
				take()
				for b.Loop() {
					take()
				}
				b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "img/s")
			})
		}
	}
}
