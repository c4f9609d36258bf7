package selection

import (
	"cmp"
	"slices"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// seed of the bootstrap: fixed, so that the same scores always give the same interval.
const seed = 1

// lead compares two trials on the validation samples that both scored. Both see the same hard packages, which therefore
// cancel: a lead that each one's own interval hides may be real all the same.
func lead(best, next Candidate) *score.Difference {
	a, b := byID(best.Scores), byID(next.Scores)
	if len(a) == 0 || !slices.EqualFunc(a, b, func(x, y wire.SampleScore) bool { return x.ID == y.ID }) {
		return nil
	}
	d, err := score.Compare(samples(a), samples(b), score.Draws, seed)
	if err != nil {
		return nil // without a defect there is nothing to compare
	}
	return &d
}

func byID(s []wire.SampleScore) []wire.SampleScore {
	return slices.SortedFunc(slices.Values(s), func(a, b wire.SampleScore) int { return cmp.Compare(a.ID, b.ID) })
}

func samples(scores []wire.SampleScore) (out []score.Sample) {
	for _, s := range scores {
		out = append(out, score.Sample{Score: s.Logit, Defect: s.Label == 1, Group: s.Group})
	}
	return out
}
