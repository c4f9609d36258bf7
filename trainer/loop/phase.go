package loop

import (
	"context"
	"fmt"
	"math/rand/v2"

	"plumbline.dev/plumbline/wire"
)

// Phase is a phase of training, named after the part of the network that it trains. A trial trains Head during its
// first HeadEpochs epochs (0 without pretrained weights), and then All. A Phase is not the field phase in the status of
// a run or a trial, which says how far the run or the trial has come.
type Phase string

// The phases, in their order.
const (
	Head Phase = "head" // the head and the first convolution, which a pretrained network lacks
	All  Phase = "all"  // the whole network
)

// phase returns the phase of the next step.
func (t *training) phase() Phase {
	if t.epoch < t.Trial.Hyperparameters.HeadEpochs {
		return Head
	}
	return All
}

// enterMainPhase prepares the phase that trains everything. It acts only before the first step of that phase. It is
// idempotent: a trial that resumes at this boundary runs it again with the same result.
func (t *training) enterMainPhase(ctx context.Context) error {
	h := t.Trial.Hyperparameters
	frozen := h.BatchNorm == wire.BatchNormFreeze
	if t.epoch != h.HeadEpochs || t.unfinished.Steps > 0 || h.HeadEpochs == 0 && !frozen {
		return nil
	}
	if frozen { // the fixed statistics must fit what the new first convolution computes from this data
		if err := t.reestimate(ctx); err != nil {
			return err
		}
	}
	t.phaseStep = 0
	return t.model.Restart()
}

// reestimate sets the running statistics to their mean over the training split: each sample once, without augmentation.
func (t *training) reestimate(ctx context.Context) error {
	h := t.Trial.Hyperparameters
	split := append([]int{}, t.data.Train...)
	random := rand.New(rand.NewPCG(uint64(h.Seed), 0x626e)) // "bn"
	random.Shuffle(len(split), func(i, j int) { split[i], split[j] = split[j], split[i] })
	size := min(h.BatchSize/h.Accumulate, len(split))
	var images []uint8
	// Each batch has the same weight in the mean, so the samples that do not fill a last batch are left out.
	for k := 1; k*size <= len(split); k++ {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		images = t.data.gather(images, split[(k-1)*size:k*size])
		if err := t.model.Reestimate(images, size, k); err != nil {
			return fmt.Errorf("before epoch %d: %w", t.epoch+1, err)
		}
		t.Worked(t.epoch, fmt.Sprintf("a batch of the re-estimation before epoch %d", t.epoch+1))
	}
	return nil
}
