package loop

import (
	"context"
	"fmt"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// phase returns the phase of the next step.
func (r *run) phase() Phase {
	if r.epoch < r.Trial.Hyperparameters.HeadEpochs {
		return Head
	}
	return All
}

// over reports whether training has ended: all epochs are done, or early stopping ended it.
func (r *run) over() bool { return r.epoch >= r.epochs || r.outOfPatience() }

// outOfPatience reports whether as many epochs as patience allows have passed without a better one. Epochs of the head
// phase do not count, because they only prepare.
func (r *run) outOfPatience() bool {
	h := r.Trial.Hyperparameters
	last := h.HeadEpochs
	if r.best != nil {
		last = max(last, r.best.Epoch)
	}
	return h.Patience > 0 && r.epoch-last >= h.Patience
}

// enterMainPhase prepares the phase that trains everything. It acts only before the first step of that phase. It is
// idempotent: a trial that resumes at this boundary runs it again with the same result.
func (r *run) enterMainPhase(ctx context.Context) error {
	h := r.Trial.Hyperparameters
	frozen := h.BatchNorm == wire.BatchNormFreeze
	if r.epoch != h.HeadEpochs || r.unfinished.Steps > 0 || h.HeadEpochs == 0 && !frozen {
		return nil
	}
	if frozen { // statistics that stay fixed must fit this data, as the new first convolution passes it on
		if err := r.reestimate(ctx); err != nil {
			return err
		}
	}
	r.phaseStep = 0
	return r.model.Restart()
}

// reestimate sets the running statistics to their mean over the training fold: each sample once, without augmentation.
func (r *run) reestimate(ctx context.Context) error {
	h := r.Trial.Hyperparameters
	fold := append([]int{}, r.data.Train...)
	random := rand.New(rand.NewPCG(uint64(h.Seed), 0x626e)) // "bn"
	random.Shuffle(len(fold), func(i, j int) { fold[i], fold[j] = fold[j], fold[i] })
	size := min(h.BatchSize/h.Accumulate, len(fold))
	var images []uint8
	// Each batch has the same weight in the mean, so the samples that do not fill a last batch are left out.
	for k := 1; k*size <= len(fold); k++ {
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
