package loop

// prefetcher assembles an epoch's batches before the steps need them. The content of a batch follows from the epoch's
// order alone, so it does not matter when the batch is made.
type prefetcher struct {
	ready chan Batch
	free  chan []uint8 // memory of the images of batches that were trained on
	quit  chan struct{}
	ended chan struct{}
}

// maxReady is how many batches may wait for their step.
const maxReady = 2

// prefetch starts a prefetcher for the next epoch. It leaves out the epoch's first `from` batches.
func (t *training) prefetch(from int) *prefetcher {
	p := &prefetcher{
		ready: make(chan Batch, maxReady),
		free:  make(chan []uint8, maxReady+1),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	h, epoch := t.Trial.Hyperparameters, t.epoch+1
	order := t.sampler.order(epoch, t.stepsPerEpoch*h.BatchSize)
	go func() {
		defer close(p.ended)
		for k := from; k < t.stepsPerEpoch; k++ {
			var images []uint8
			select {
			case images = <-p.free:
			default:
			}
			b := t.batch(images, order[k*h.BatchSize:][:h.BatchSize])
			b.Augment = augmentation(h.Augment, h.Seed, epoch, k*h.BatchSize, h.BatchSize, t.data)
			select {
			case p.ready <- b:
			case <-p.quit:
				return
			}
		}
	}()
	return p
}

// batch returns the batch of the chosen samples, without augmentation. It puts the images into the memory of images.
func (t *training) batch(images []uint8, chosen []int) Batch {
	b := Batch{
		Images:  t.data.gather(images, chosen),
		Labels:  make([]int32, len(chosen)),
		Weights: make([]float32, len(chosen)),
	}
	for k, i := range chosen {
		b.Labels[k] = t.data.Labels[i]
		b.Weights[k] = t.classWeights[t.data.Labels[i]]
	}
	return b
}

// next returns the next batch, and blocks until it is ready.
func (p *prefetcher) next() Batch { return <-p.ready }

// reuse takes back the memory of a batch that was trained on, for a later batch.
func (p *prefetcher) reuse(b Batch) {
	select {
	case p.free <- b.Images:
	default:
	}
}

// stop ends the prefetcher and blocks until its goroutine has ended.
func (p *prefetcher) stop() {
	close(p.quit)
	<-p.ended
}
