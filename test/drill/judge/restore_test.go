package judge

import (
	"slices"
	"testing"
)

// Attempts that were killed are counted apart from those that saved themselves. A trial whose checkpoint the drill
// damaged is not counted.
func TestRepeatedEpochsAreCounted(t *testing.T) {
	h := order()
	if n := Repeated(h); n != (Repeats{Saved: 1}) {
		t.Errorf("the next attempt resumed from where the saved one ended: %+v", n)
	}
	zero, asked := 0, int32(75)
	lastStatus(&h).Trials[0].Attempts[1].FromEpoch = &zero
	if n := Repeated(h); n != (Repeats{Saved: 1, SavedEpochs: 1}) {
		t.Errorf("the next attempt trained the saved one's epoch again: %+v", n)
	}
	h.Pods[0].ExitCode = nil
	if n := Repeated(h); n != (Repeats{Killed: 1, KilledEpochs: 1}) {
		t.Errorf("the first attempt was killed: %+v", n)
	}
	attempts := &lastStatus(&h).Trials[0].Attempts
	savedAtOnce := Attempt{Number: 2, FromEpoch: &zero} // asked to end before it reported an epoch
	*attempts = slices.Insert(*attempts, 1, savedAtOnce)
	(*attempts)[2].Number = 3
	for i, r := range h.Reports {
		if r.Attempt == 2 {
			h.Reports[i].Attempt = 3
		}
	}
	h.Pods[0].Attempt, h.Pods[0].ExitCode = "2", &asked
	if n := Repeated(h); n != (Repeats{Saved: 1, Killed: 1, KilledEpochs: 1}) {
		t.Errorf("the epoch belongs to the attempt that was killed: %+v", n)
	}
	harmBest(&h, 2)
	if n := Repeated(h); n != (Repeats{}) {
		t.Errorf("the drill damaged a checkpoint: %+v", n)
	}
}
