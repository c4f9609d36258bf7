package wire

// EpochValue is the AUC-PR on validation that one epoch of a trial was measured at.
type EpochValue struct {
	Epoch int
	Value float64
}

// BetterEpoch reports whether the checkpoint of a should be kept in place of the checkpoint of b, both of one trial. A
// finite value is better than none, then the higher value, then the earlier epoch. It is in wire because the trainer
// must keep exactly the checkpoint that the operator would choose.
func BetterEpoch(a, b EpochValue) bool {
	if finite(a.Value) != finite(b.Value) {
		return finite(a.Value)
	}
	if a.Value != b.Value {
		return a.Value > b.Value
	}
	return a.Epoch < b.Epoch
}
