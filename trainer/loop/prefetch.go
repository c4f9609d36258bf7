package loop

// prefetcher assembles an epoch's batches ahead of the steps that train on them. What is in them follows from the order alone, so that it
// does not matter when they are made.
type prefetcher struct {
	ready chan Batch
	free  chan []uint8 // images of batches that were trained on
	quit  chan struct{}
	ended chan struct{}
}

// ahead is how many batches may be ready.
const ahead = 2

// prefetch starts with the batch that comes after the first `from` of the next epoch.
func (r *run) prefetch(from int) *prefetcher {
	p := &prefetcher{ready: make(chan Batch, ahead), free: make(chan []uint8, ahead+1), quit: make(chan struct{}), ended: make(chan struct{})}
	h, epoch := r.Trial.Hyperparameters, r.epoch+1
	order := r.sampler.order(epoch, r.steps*h.BatchSize)
	go func() {
		defer close(p.ended)
		for k := from; k < r.steps; k++ {
			var images []uint8
			select {
			case images = <-p.free:
			default:
			}
			b := r.batch(images, order[k*h.BatchSize:][:h.BatchSize])
			b.Augment = augmentation(h.Augment, h.Seed, epoch, k*h.BatchSize, h.BatchSize, r.data)
			select {
			case p.ready <- b:
			case <-p.quit:
				return
			}
		}
	}()
	return p
}

func (r *run) batch(images []uint8, chosen []int) Batch {
	b := Batch{Images: r.data.gather(images, chosen), Labels: make([]int32, len(chosen)), Weights: make([]float32, len(chosen))}
	for k, i := range chosen {
		b.Labels[k] = r.data.Labels[i]
		b.Weights[k] = r.weights[r.data.Labels[i]]
	}
	return b
}

func (p *prefetcher) next() Batch { return <-p.ready }

// reuse takes the memory of a batch that was trained on, for a later batch.
func (p *prefetcher) reuse(b Batch) {
	select {
	case p.free <- b.Images:
	default:
	}
}

func (p *prefetcher) stop() {
	close(p.quit)
	<-p.ended
}
