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
	Digests    wire.Digests       // of the data that the trial learned from
	Scores     []wire.SampleScore // the validation scores behind Metrics; nil: there is no paired interval
}

// Rule is the run's objective.
type Rule struct {
	TieMargin float64 // AUC-PR values that differ by at most this count as equal, and the smaller depth wins
	MinValue  float64 // the lowest AUC-PR of a best
}

// Choice is the result of Choose. Best and RunnerUp are nil if there is none.
type Choice struct {
	Best     *Candidate
	RunnerUp *Candidate
	// Lead is how far the best's AUC-PR lies above the runner-up's, with its paired 95 % interval. It is nil if the
	// caller did not ask for it, or if the two have no scores of the same samples.
	Lead     *score.Difference
	Excluded []string // trials that learned from other data than most, sorted; they are not compared
	Reason   string   // sentences for people
}

// Choose returns the best candidate by the rule, and the best of the others as the runner-up. It leaves out candidates
// without a finite value or without a committed checkpoint. Trials that learned from different data cannot be compared:
// Choose compares the largest group that learned from the same data, and names the other trials. If paired, Choose also
// measures the lead, which takes thousands of resamples.
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

// eligible reports whether a candidate may be compared: its AUC-PR must be finite, because NaN and Inf are not values,
// and its checkpoint must be committed, because nobody could use it otherwise.
func (c Candidate) eligible() bool {
	return finite(c.Metrics.AUCPR) && c.Checkpoint.URI != "" && c.Checkpoint.Digest != ""
}

// sameData keeps the largest group of candidates with equal digests, and returns the trials of the others. Of groups of
// equal size it keeps the first in cs, which has the smallest depth.
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
