package wire

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBetterEpoch(t *testing.T) {
	for name, test := range map[string]struct {
		a, b EpochValue
		want bool
	}{
		"a higher value is better": {
			a: EpochValue{Epoch: 9, AUCPR: 0.8}, b: EpochValue{Epoch: 1, AUCPR: 0.7}, want: true,
		},
		"a lower value is not better, even if it is earlier": {
			a: EpochValue{Epoch: 1, AUCPR: 0.7}, b: EpochValue{Epoch: 9, AUCPR: 0.8}, want: false,
		},
		"of equal values the earlier epoch is better": {
			a: EpochValue{Epoch: 1, AUCPR: 0.7}, b: EpochValue{Epoch: 2, AUCPR: 0.7}, want: true,
		},
		"an epoch is not better than itself": {
			a: EpochValue{Epoch: 1, AUCPR: 0.7}, b: EpochValue{Epoch: 1, AUCPR: 0.7}, want: false,
		},
		"NaN is never better than a value": {
			a: EpochValue{Epoch: 1, AUCPR: math.NaN()}, b: EpochValue{Epoch: 2, AUCPR: 0}, want: false,
		},
		"a value is always better than NaN": {
			a: EpochValue{Epoch: 2, AUCPR: 0}, b: EpochValue{Epoch: 1, AUCPR: math.NaN()}, want: true,
		},
		"Inf is not a value": {
			a: EpochValue{Epoch: 1, AUCPR: math.Inf(1)}, b: EpochValue{Epoch: 2, AUCPR: 0.1}, want: false,
		},
	} {
		if got := BetterEpoch(test.a, test.b); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Reports arrive in any order, and the best epoch must not depend on it. The values lie on a coarse grid, so that ties
// are common.
func TestTheOrderOfArrivalNeverMatters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		epochs := make([]EpochValue, 1+random.IntN(7))
		for i := range epochs {
			epochs[i] = EpochValue{Epoch: random.IntN(3), AUCPR: float64(random.IntN(6)) / 10}
			if random.IntN(8) == 0 {
				epochs[i].AUCPR = math.NaN()
			}
		}
		bestOf := func(epochs []EpochValue) string {
			best := epochs[0]
			for _, e := range epochs[1:] {
				if BetterEpoch(e, best) {
					best = e
				}
			}
			if !finite(best.AUCPR) {
				return "none"
			}
			return string(rune('0'+best.Epoch)) + string(rune('0'+int(best.AUCPR*10)))
		}
		first := bestOf(epochs)
		for range 4 {
			shuffled := slices.Clone(epochs)
			random.Shuffle(len(epochs), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if got := bestOf(shuffled); got != first {
				t.Fatalf("%v: the best epoch is %s in one order, %s in another", epochs, first, got)
			}
		}
	}
}
