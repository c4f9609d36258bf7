package loop

import (
	"context"
	"fmt"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// phase is what the next step trains.
func (r *run) phase() Phase {
	if r.epoch < r.Trial.Hyperparameters.HeadEpochs {
		return Head
	}
	return All
}

// over says whether the trial has trained long enough.
func (r *run) over() bool { return r.epoch >= r.epochs || r.exhausted() }

// exhausted says whether it has waited in vain for a better epoch. The epochs of the head do not count: they only prepare.
func (r *run) exhausted() bool {
	h := r.Trial.Hyperparameters
	last := h.HeadEpochs
	if r.best != nil {
		last = max(last, r.best.Epoch)
	}
	return h.Patience > 0 && r.epoch-last >= h.Patience
}

// enter prepares the phase that trains everything, before its first step. What is done here can be done again: an interrupted trial
// comes by once more, and ends in the same state.
func (r *run) enter(ctx context.Context) error {
	h := r.Trial.Hyperparameters
	frozen := h.BatchNorm == wire.BatchNormFreeze
	if r.epoch != h.HeadEpochs || r.unfinished.Steps > 0 || h.HeadEpochs == 0 && !frozen {
		return nil
	}
	if frozen { // what is frozen must fit this data, seen through the new first convolution
		if err := r.reestimate(ctx); err != nil {
			return err
		}
	}
	r.phaseStep = 0
	return r.model.Restart()
}

// reestimate sets the running statistics to their mean over the training fold, each sample once, as it is.
func (r *run) reestimate(ctx context.Context) error {
	h := r.Trial.Hyperparameters
	fold := append([]int{}, r.data.Train...)
	random := rand.New(rand.NewPCG(uint64(h.Seed), 0x626e)) // "bn"
	random.Shuffle(len(fold), func(i, j int) { fold[i], fold[j] = fold[j], fold[i] })
	size := min(h.BatchSize/h.Accumulate, len(fold))
	var images []uint8
	for k := 1; k*size <= len(fold); k++ { // batches count alike, so the rest that fills none is left out
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		images = r.data.gather(images, fold[(k-1)*size:k*size])
		if err := r.model.Reestimate(images, size, k); err != nil {
			return fmt.Errorf("before epoch %d: %w", r.epoch+1, err)
		}
		r.Worked(r.epoch, fmt.Sprintf("a batch of the re-estimation before epoch %d", r.epoch+1))
	}
	return nil
}
