package selection

import (
	"cmp"
	"math"
	"slices"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// Candidate is one trial's best committed checkpoint.
type Candidate struct {
	Trial      string
	Depth      int
	Epoch      int
	Metrics    wire.Metrics // on validation
	Checkpoint wire.CheckpointRef
	Digests    wire.Digests       // what it learned from
	Scores     []wire.SampleScore // validation scores behind Metrics; without them there is no paired interval
}

// Rule is the run's objective.
type Rule struct {
	TieMargin float64
	MinValue  float64
}

// Choice is the outcome. Best and RunnerUp are nil where there is none.
type Choice struct {
	Best     *Candidate
	RunnerUp *Candidate
	// Lead is how far the best's AUC-PR lies above the runner-up's, with its paired 95 % interval; nil where it was not asked for
	// or their scores are not there.
	Lead     *score.Difference
	Excluded []string // trials that learned from other data than most, sorted; they are not compared
	Reason   string   // one or two sentences for people
}

// Choose applies the rule, in this order: a value that is finite, a committed checkpoint, minValue; then the value, within tieMargin
// the smaller depth, then the earlier epoch. Trials whose data differ are not comparable: the largest group that learned from the
// same data is compared, and the others are named. With paired, the lead is measured as well, which takes thousands of resamples.
func Choose(cs []Candidate, rule Rule, paired bool) Choice {
	cs = slices.DeleteFunc(slices.Clone(cs), func(c Candidate) bool { return !c.eligible() })
	slices.SortFunc(cs, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.Trial, b.Trial))
	})
	cs, excluded := sameData(cs)
	choice := Choice{Excluded: excluded}
	if i := choose(cs, rule); i >= 0 {
		choice.Best = &cs[i]
		rest := slices.Delete(slices.Clone(cs), i, i+1)
		if j := choose(rest, rule); j >= 0 {
			choice.RunnerUp = &rest[j]
			if paired {
				choice.Lead = lead(*choice.Best, rest[j])
			}
		}
	}
	choice.Reason = explain(choice, cs, rule)
	return choice
}

// eligible says whether a candidate may be compared at all: NaN and Inf are no values, and a value whose model was never saved is
// nobody's.
func (c Candidate) eligible() bool {
	return !math.IsNaN(c.Metrics.AUCPR) && !math.IsInf(c.Metrics.AUCPR, 0) && c.Checkpoint.URI != "" && c.Checkpoint.Digest != ""
}

func choose(cs []Candidate, rule Rule) int {
	ws := make([]wire.Candidate, len(cs))
	for i, c := range cs {
		ws[i] = wire.Candidate{Trial: c.Trial, Depth: c.Depth, Epoch: c.Epoch, Value: c.Metrics.AUCPR}
	}
	return wire.Choose(ws, rule.TieMargin, rule.MinValue)
}

// sameData keeps the largest group of equal digests; of groups of equal size the one with the smallest depth, which comes first.
func sameData(cs []Candidate) (kept []Candidate, excluded []string) {
	size := map[wire.Digests]int{}
	for _, c := range cs {
		size[c.Digests]++
	}
	var most wire.Digests
	for i, c := range cs {
		if i == 0 || size[c.Digests] > size[most] {
			most = c.Digests
		}
	}
	for _, c := range cs {
		if c.Digests == most {
			kept = append(kept, c)
		} else {
			excluded = append(excluded, c.Trial)
		}
	}
	slices.Sort(excluded)
	return kept, excluded
}
