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
		rule       Rule
		want       int // index of the best; -1: none
	}{
		"no candidate": {want: -1},
		"no candidate with a finite value": {
			candidates: []Candidate{of(18, 1, math.NaN()), of(34, 1, math.Inf(1))},
			want:       -1,
		},
		"no value reaches minValue": {
			candidates: []Candidate{of(18, 1, 0.5)},
			rule:       Rule{MinValue: 0.6},
			want:       -1,
		},
		"a value of exactly minValue": {
			candidates: []Candidate{of(18, 1, 0.6)},
			rule:       Rule{MinValue: 0.6},
			want:       0,
		},
		"the highest value": {
			candidates: []Candidate{of(18, 1, 0.70), of(50, 9, 0.71)},
			want:       1,
		},
		"within the margin the smaller depth": {
			candidates: []Candidate{of(50, 1, 0.71), of(18, 9, 0.70)},
			rule:       Rule{TieMargin: 0.02},
			want:       1,
		},
		"the margin is measured from the highest value": {
			candidates: []Candidate{of(50, 1, 0.71), of(34, 1, 0.70), of(18, 1, 0.69)},
			rule:       Rule{TieMargin: 0.015},
			want:       1,
		},
		"of the same depth the higher value": {
			candidates: []Candidate{measured("d18-f1-r1", 18, 1, 0.70), measured("d18-f2-r1", 18, 9, 0.71)},
			rule:       Rule{TieMargin: 0.02},
			want:       1,
		},
		"of the same value the earlier epoch": {
			candidates: []Candidate{measured("d18-f1-r1", 18, 4, 0.7), measured("d18-f2-r1", 18, 3, 0.7)},
			want:       1,
		},
		"if all is equal, the trial's name decides": {
			candidates: []Candidate{measured("d18-f2-r1", 18, 0, 0.7), measured("d18-f1-r1", 18, 0, 0.7)},
			want:       1,
		},
		"a first NaN can be beaten": {
			candidates: []Candidate{of(18, 1, math.NaN()), of(50, 1, 0.1)},
			want:       1,
		},
	} {
		if got := choose(test.candidates, test.rule); got != test.want {
			t.Errorf("%s: chose %d, want %d", name, got, test.want)
		}
	}
}

// The values lie on a coarse grid, so that ties are common, and some are NaN.
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
			return "none"
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
