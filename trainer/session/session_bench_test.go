package session

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"plumbline.dev/plumbline/trainer/loop"
)

var (
	benchSide    = flag.Int("side", 64, "BenchmarkStep: side of the images in pixels")
	benchThreads = flag.Int("threads", 2, "BenchmarkStep: TensorFlow's threads")
)

// BenchmarkStep measures one training step on images of six channels. It reports images a second, and the largest
// resident set of the process so far. `make bench-trainer` runs it in turn with hack/reference/torch_step.py, which
// measures the same in PyTorch.
//
//	go test -run - -bench Step/depth=50/batch=16 -benchtime 20x ./trainer/session -args -side 224
func BenchmarkStep(b *testing.B) {
	for _, depth := range []int{18, 34, 50, 101, 152} {
		for _, batch := range []int{16, 32} {
			b.Run(fmt.Sprintf("depth=%d/batch=%d", depth, batch), func(b *testing.B) {
				c := small(depth)
				c.Hyper.ImageSize, c.Threads = *benchSide, *benchThreads
				m, err := New(c)
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close()
				data := toyBatch(c, batch, 1)
				step := int64(0)
				take := func() {
					step++
					p := loop.StepParams{Phase: loop.All, LearningRate: 1e-3, PhaseStep: step}
					if _, err := m.Step(data, p); err != nil {
						b.Fatal(err)
					}
				}
				for range 3 { // the first steps prepare the graph and fill the library's caches
					take()
				}
				for b.Loop() {
					take()
				}
				b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "img/s")
				b.ReportMetric(peakMiB(b), "peak-MiB")
			})
		}
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMiB returns the largest resident set of the process so far.
func peakMiB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err) // not Linux
	}
	kib, err := strconv.ParseFloat(string(highWater.FindSubmatch(status)[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
