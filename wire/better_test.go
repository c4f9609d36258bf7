package wire

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBetterEpoch(t *testing.T) {
	for name, test := range map[string]struct {
		a, b Candidate
		want bool
	}{
		"the higher value":                  {Candidate{Epoch: 9, Value: 0.8}, Candidate{Epoch: 1, Value: 0.7}, true},
		"a lower value, though earlier":     {Candidate{Epoch: 1, Value: 0.7}, Candidate{Epoch: 9, Value: 0.8}, false},
		"of equal values the earlier epoch": {Candidate{Epoch: 1, Value: 0.7}, Candidate{Epoch: 2, Value: 0.7}, true},
		"itself is not better":              {Candidate{Epoch: 1, Value: 0.7}, Candidate{Epoch: 1, Value: 0.7}, false},
		"NaN never beats a value":           {Candidate{Epoch: 1, Value: math.NaN()}, Candidate{Epoch: 2, Value: 0}, false},
		"a value always beats NaN":          {Candidate{Epoch: 2, Value: 0}, Candidate{Epoch: 1, Value: math.NaN()}, true},
		"Inf is no value":                   {Candidate{Epoch: 1, Value: math.Inf(1)}, Candidate{Epoch: 2, Value: 0.1}, false},
	} {
		if got := BetterEpoch(test.a, test.b); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestChoose(t *testing.T) {
	candidate := func(depth, epoch int, value float64) Candidate {
		return Candidate{Trial: TrialName(depth), Depth: depth, Epoch: epoch, Value: value}
	}
	for name, test := range map[string]struct {
		candidates []Candidate
		margin     float64
		min        float64
		want       int
	}{
		"nobody":                              {nil, 0, 0, -1},
		"nobody with a number":                {[]Candidate{candidate(18, 1, math.NaN()), candidate(34, 1, math.Inf(1))}, 0, 0, -1},
		"nobody who is good enough":           {[]Candidate{candidate(18, 1, 0.5)}, 0, 0.6, -1},
		"exactly good enough":                 {[]Candidate{candidate(18, 1, 0.6)}, 0, 0.6, 0},
		"the highest value":                   {[]Candidate{candidate(18, 1, 0.70), candidate(50, 9, 0.71)}, 0, 0, 1},
		"within the margin the smaller depth": {[]Candidate{candidate(50, 1, 0.71), candidate(18, 9, 0.70)}, 0.02, 0, 1},
		"the margin counts from the top":      {[]Candidate{candidate(50, 1, 0.71), candidate(34, 1, 0.70), candidate(18, 1, 0.69)}, 0.015, 0, 1},
		"same depth: the higher value":        {[]Candidate{{Trial: "d18-f1-r1", Depth: 18, Epoch: 1, Value: 0.70}, {Trial: "d18-f2-r1", Depth: 18, Epoch: 9, Value: 0.71}}, 0.02, 0, 1},
		"same value: the earlier epoch":       {[]Candidate{{Trial: "d18-f1-r1", Depth: 18, Epoch: 4, Value: 0.7}, {Trial: "d18-f2-r1", Depth: 18, Epoch: 3, Value: 0.7}}, 0, 0, 1},
		"all the same: the trial's name":      {[]Candidate{{Trial: "d18-f2-r1", Depth: 18, Value: 0.7}, {Trial: "d18-f1-r1", Depth: 18, Value: 0.7}}, 0, 0, 1},
		"a first NaN can be beaten":           {[]Candidate{candidate(18, 1, math.NaN()), candidate(50, 1, 0.1)}, 0, 0, 1},
	} {
		if got := Choose(test.candidates, test.margin, test.min); got != test.want {
			t.Errorf("%s: chose %d, want %d", name, got, test.want)
		}
	}
}

// Reports arrive in any order; what is chosen must not depend on it. Values lie on a coarse grid, so that ties are common.
func TestTheOrderOfArrivalNeverMatters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		cs := make([]Candidate, 1+random.IntN(7))
		for i := range cs {
			depth := Depths[random.IntN(len(Depths))]
			cs[i] = Candidate{Trial: TrialName(depth) + string(rune('a'+i)), Depth: depth, Epoch: random.IntN(3), Value: float64(random.IntN(6)) / 10}
			if random.IntN(8) == 0 {
				cs[i].Value = math.NaN()
			}
		}
		margin, least := float64(random.IntN(3))/10, float64(random.IntN(3))/10
		chosen := func(cs []Candidate) string {
			if i := Choose(cs, margin, least); i >= 0 {
				return cs[i].Trial
			}
			return "nobody"
		}
		bestOf := func(cs []Candidate) string {
			best := cs[0]
			for _, c := range cs[1:] {
				c.Depth, c.Trial = best.Depth, best.Trial // of one trial
				if BetterEpoch(c, best) {
					best = c
				}
			}
			if !finite(best.Value) {
				return "nobody"
			}
			return string(rune('0'+best.Epoch)) + string(rune('0'+int(best.Value*10)))
		}
		first, firstEpoch := chosen(cs), bestOf(cs)
		for range 4 {
			shuffled := slices.Clone(cs)
			random.Shuffle(len(cs), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if got := chosen(shuffled); got != first {
				t.Fatalf("margin %v, least %v: %v chose %s in one order, %s in another", margin, least, cs, first, got)
			}
			if got := bestOf(shuffled); got != firstEpoch {
				t.Fatalf("%v: the best epoch is %s in one order, %s in another", cs, firstEpoch, got)
			}
		}
	}
}
