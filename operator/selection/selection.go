package selection

import (
	"cmp"
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
	// Lead is how far the best's AUC-PR lies above the runner-up's, with its paired 95 % interval; nil where it was not
	// asked for or their scores are not there.
	Lead     *score.Difference
	Excluded []string // trials that learned from other data than most, sorted; they are not compared
	Reason   string   // one or two sentences for people
}

// Choose returns the best candidate by the rule, and the best of the others. Candidates without a finite value or
// without a committed checkpoint are left out. Trials that learned from different data cannot be compared: Choose
// compares the largest group that learned from the same data, and names the others. With paired, Choose also measures
// the lead, which takes thousands of resamples.
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

// eligible reports whether a candidate may be compared at all: NaN and Inf are not values, and a value without a
// committed checkpoint cannot be used.
func (c Candidate) eligible() bool {
	return finite(c.Metrics.AUCPR) && c.Checkpoint.URI != "" && c.Checkpoint.Digest != ""
}

// sameData keeps the largest group of equal digests; of groups of equal size the one with the smallest depth, which
// comes first.
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
