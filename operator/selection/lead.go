package selection

import (
	"cmp"
	"slices"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

// seed is the seed of the bootstrap. It is fixed, so that the same scores always give the same interval.
const seed = 1

// lead returns how far the AUC-PR of best lies above that of next, with an interval that is paired by sample. It
// returns nil if the two have not scored the same validation samples, or if these hold no defect. Pairing makes the
// interval narrower: both trials find the same packages hard, so the packages' effect cancels out. A lead may be more
// than noise although the trials' own intervals overlap.
func lead(best, next Candidate) *score.Difference {
	a, b := byID(best.Scores), byID(next.Scores)
	if len(a) == 0 || !slices.EqualFunc(a, b, func(x, y wire.SampleScore) bool { return x.ID == y.ID }) {
		return nil
	}
	d, err := score.Compare(samples(a), samples(b), score.Draws, seed)
	if err != nil {
		return nil // for example because no sample is a defect
	}
	return &d
}

// byID returns the scores sorted by sample.
func byID(s []wire.SampleScore) []wire.SampleScore {
	return slices.SortedFunc(slices.Values(s), func(a, b wire.SampleScore) int { return cmp.Compare(a.ID, b.ID) })
}

// samples returns the scores as package score reads them.
func samples(scores []wire.SampleScore) (out []score.Sample) {
	for _, s := range scores {
		out = append(out, score.Sample{Score: s.Logit, Defect: s.Label == 1, Group: s.Group})
	}
	return out
}
