package loop

// feed assembles an epoch's batches ahead of the steps that train on them. What is in them follows from the order alone, so that it
// does not matter when they are made.
type feed struct {
	ready chan Batch
	free  chan []uint8 // images of batches that were trained on
	quit  chan struct{}
	ended chan struct{}
}

// ahead is how many batches may be ready.
const ahead = 2

// feed starts with the batch that comes after the first `from` of the next epoch.
func (r *run) feed(from int) *feed {
	f := &feed{ready: make(chan Batch, ahead), free: make(chan []uint8, ahead+1), quit: make(chan struct{}), ended: make(chan struct{})}
	h, epoch := r.Trial.Hyperparameters, r.epoch+1
	order := r.sampler.order(epoch, r.steps*h.BatchSize)
	go func() {
		defer close(f.ended)
		for k := from; k < r.steps; k++ {
			var images []uint8
			select {
			case images = <-f.free:
			default:
			}
			b := r.batch(images, order[k*h.BatchSize:][:h.BatchSize])
			b.Augment = augmentation(h.Augment, h.Seed, epoch, k*h.BatchSize, h.BatchSize, r.data)
			select {
			case f.ready <- b:
			case <-f.quit:
				return
			}
		}
	}()
	return f
}

func (r *run) batch(images []uint8, chosen []int) Batch {
	b := Batch{Images: r.data.gather(images, chosen), Labels: make([]int32, len(chosen)), Weights: make([]float32, len(chosen))}
	for k, i := range chosen {
		b.Labels[k] = r.data.Labels[i]
		b.Weights[k] = r.weights[r.data.Labels[i]]
	}
	return b
}

func (f *feed) next() Batch { return <-f.ready }

// done gives a batch's memory back.
func (f *feed) done(b Batch) {
	select {
	case f.free <- b.Images:
	default:
	}
}

func (f *feed) stop() {
	close(f.quit)
	<-f.ended
}
