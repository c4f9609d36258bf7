package loop

// over reports whether training has ended: all epochs are done, or early stopping ended it.
func (t *training) over() bool { return t.epoch >= t.epochs || t.outOfPatience() }

// outOfPatience reports whether as many epochs as patience allows have passed without a better one. Epochs of the head
// phase do not count, because they only prepare.
func (t *training) outOfPatience() bool {
	h := t.Trial.Hyperparameters
	last := h.HeadEpochs
	if t.best != nil {
		last = max(last, t.best.Epoch)
	}
	return h.Patience > 0 && t.epoch-last >= h.Patience
}
