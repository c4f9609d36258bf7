package wire

// EpochValue is the AUC-PR on the validation split after one epoch of a trial.
type EpochValue struct {
	Epoch int
	AUCPR float64
}

// BetterEpoch reports whether the checkpoint of epoch a is better than that of epoch b of the same trial. A finite
// value is better than NaN or Inf. Of two finite values the higher one is better. Of equal values the earlier epoch is
// better. The function is in wire because the trainer must keep exactly the checkpoint that the operator would choose.
func BetterEpoch(a, b EpochValue) bool {
	if finite(a.AUCPR) != finite(b.AUCPR) {
		return finite(a.AUCPR)
	}
	if a.AUCPR != b.AUCPR {
		return a.AUCPR > b.AUCPR
	}
	return a.Epoch < b.Epoch
}
