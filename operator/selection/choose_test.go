package selection

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"plumbline.dev/plumbline/wire"
)

func TestChooseByRule(t *testing.T) {
	measured := func(trial string, depth, epoch int, value float64) Candidate {
		return Candidate{Trial: trial, Depth: depth, Epoch: epoch, Metrics: wire.Metrics{AUCPR: value}}
	}
	of := func(depth, epoch int, value float64) Candidate {
		return measured(wire.TrialName(depth), depth, epoch, value)
	}
	for name, test := range map[string]struct {
		candidates []Candidate
		margin     float64
		least      float64
		want       int
	}{
		"nobody":                              {nil, 0, 0, -1},
		"nobody with a number":                {[]Candidate{of(18, 1, math.NaN()), of(34, 1, math.Inf(1))}, 0, 0, -1},
		"nobody who is good enough":           {[]Candidate{of(18, 1, 0.5)}, 0, 0.6, -1},
		"exactly good enough":                 {[]Candidate{of(18, 1, 0.6)}, 0, 0.6, 0},
		"the highest value":                   {[]Candidate{of(18, 1, 0.70), of(50, 9, 0.71)}, 0, 0, 1},
		"within the margin the smaller depth": {[]Candidate{of(50, 1, 0.71), of(18, 9, 0.70)}, 0.02, 0, 1},
		"the margin counts from the top":      {[]Candidate{of(50, 1, 0.71), of(34, 1, 0.70), of(18, 1, 0.69)}, 0.015, 0, 1},
		"same depth: the higher value":        {[]Candidate{measured("d18-f1-r1", 18, 1, 0.70), measured("d18-f2-r1", 18, 9, 0.71)}, 0.02, 0, 1},
		"same value: the earlier epoch":       {[]Candidate{measured("d18-f1-r1", 18, 4, 0.7), measured("d18-f2-r1", 18, 3, 0.7)}, 0, 0, 1},
		"all the same: the trial's name":      {[]Candidate{measured("d18-f2-r1", 18, 0, 0.7), measured("d18-f1-r1", 18, 0, 0.7)}, 0, 0, 1},
		"a first NaN can be beaten":           {[]Candidate{of(18, 1, math.NaN()), of(50, 1, 0.1)}, 0, 0, 1},
	} {
		if got := choose(test.candidates, Rule{TieMargin: test.margin, MinValue: test.least}); got != test.want {
			t.Errorf("%s: chose %d, want %d", name, got, test.want)
		}
	}
}

// Values lie on a coarse grid, so that ties are common, and some are no values.
func TestTheOrderOfCandidatesNeverMatters(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		cs := make([]Candidate, 1+random.IntN(7))
		for i := range cs {
			depth := wire.Depths[random.IntN(len(wire.Depths))]
			cs[i] = Candidate{Trial: wire.TrialName(depth) + string(rune('a'+i)), Depth: depth, Epoch: random.IntN(3)}
			cs[i].Metrics.AUCPR = float64(random.IntN(6)) / 10
			if random.IntN(8) == 0 {
				cs[i].Metrics.AUCPR = math.NaN()
			}
		}
		rule := Rule{TieMargin: float64(random.IntN(3)) / 10, MinValue: float64(random.IntN(3)) / 10}
		chosen := func(cs []Candidate) string {
			if i := choose(cs, rule); i >= 0 {
				return cs[i].Trial
			}
			return "nobody"
		}
		first := chosen(cs)
		for range 4 {
			shuffled := slices.Clone(cs)
			random.Shuffle(len(cs), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if got := chosen(shuffled); got != first {
				t.Fatalf("rule %+v: %v chose %s in one order, %s in another", rule, cs, first, got)
			}
		}
	}
}
