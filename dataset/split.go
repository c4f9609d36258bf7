// Which samples train, which choose and which judge. A package shares a print
// run and its light, so it goes to one side whole; beyond that, every side gets
// its part of the samples and of the defects.

package dataset

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// SplitSpec says how to split.
type SplitSpec struct {
	Test, Validation float64 // shares of the samples, 0 for none; training gets the rest
	Seed             int64   // decides between packages that are alike
	GroupBy          string  // "package": keep each package whole; "none": samples by themselves
}

const (
	// GroupByPackage keeps the samples of a package together.
	GroupByPackage = "package"
	// GroupByNone takes every sample by itself.
	GroupByNone = "none"
)

// captureBlock is how many successive samples stand for a package in a set that
// names none: the packages of the first data set hold 15. A block may straddle
// two true packages, which is why such a split carries a note.
const captureBlock = 15

// Split is where each sample went, as indices into Samples, ascending.
type Split struct {
	Train, Validation, Test []int
	Digest                  string // of the ids on each side, in the order of labels.csv
	Note                    string // what a reader of results must know; mostly ""
}

// Split divides the set. A side that would lack one of the classes is an error:
// nothing could be measured on it.
func (s *Set) Split(spec SplitSpec) (Split, error) {
	if !(spec.Test >= 0 && spec.Validation >= 0 && spec.Test+spec.Validation < 1) { // also refuses NaN
		return Split{}, fmt.Errorf("split: test %v and validation %v must be shares from 0 up that leave some for training", spec.Test, spec.Validation)
	}
	groups, note, err := s.groups(spec.GroupBy)
	if err != nil {
		return Split{}, err
	}
	// The seed alone decides among groups with the same counts.
	random := rand.New(rand.NewPCG(uint64(spec.Seed), 0x73706c6974)) // "split"
	random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })

	counts := make([][2]int, len(groups))
	for g, group := range groups {
		for _, i := range group {
			counts[g][s.Samples[i].Label]++
		}
	}
	folds := place(counts, []float64{1 - spec.Test - spec.Validation, spec.Validation, spec.Test})
	var sides [3][]int
	for g, fold := range folds {
		sides[fold] = append(sides[fold], groups[g]...)
	}
	split := Split{Note: note}
	text := &strings.Builder{}
	for f, side := range []struct {
		name  string
		share float64
		into  *[]int
	}{{"training", 1, &split.Train}, {"validation", spec.Validation, &split.Validation}, {"test", spec.Test, &split.Test}} {
		slices.Sort(sides[f])
		*side.into = sides[f]
		if err := s.bothClasses(sides[f], side.name, len(groups)); side.share > 0 && err != nil {
			return Split{}, err
		}
		for _, i := range sides[f] {
			fmt.Fprintf(text, "%s %s\n", side.name, s.Samples[i].ID)
		}
	}
	split.Digest = digestOf([]byte(text.String()))
	return split, nil
}

func (s *Set) bothClasses(side []int, name string, groups int) error {
	var counts [2]int
	for _, i := range side {
		counts[s.Samples[i].Label]++
	}
	for label, n := range counts {
		if n == 0 {
			return fmt.Errorf("split: the %s part (%d samples) holds no %s sample: %d groups are too few, or this class lies in too few of them; ask for another share, or for groupBy none",
				name, len(side), Label(label), groups)
		}
	}
	return nil
}

// groups returns the samples that must stay together, in the order of their
// first sample.
func (s *Set) groups(by string) (groups [][]int, note string, err error) {
	key := func(i int) string { return s.Samples[i].Package }
	switch {
	case by == GroupByNone:
		key = func(i int) string { return s.Samples[i].ID }
	case by != GroupByPackage:
		return nil, "", fmt.Errorf("split: groupBy %q is neither package nor none", by)
	case len(s.Samples) > 0 && s.Samples[0].Package == "": // then none has one
		// By the lines of labels.csv: were it by the samples that are left, excluding one would move the borders of all blocks after it,
		// and what was trained on would come to lie in the test part.
		row := make(map[string]int, len(s.rows))
		for i, sample := range s.rows {
			row[sample.ID] = i
		}
		key = func(i int) string { return fmt.Sprint(row[s.Samples[i].ID] / captureBlock) }
		note = fmt.Sprintf("labels.csv names no packages: %d successive samples at a time were kept together, so that some packages may lie on two sides", captureBlock)
	}
	number := map[string]int{}
	for i := range s.Samples {
		g, known := number[key(i)]
		if !known {
			g = len(groups)
			number[key(i)] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups, note, nil
}

// place puts every group into a fold. It is scikit-learn's StratifiedGroupKFold
// (1.6) carried over to folds of unequal size: groups in descending standard
// deviation of their class counts, each into the fold that leaves the smallest
// mean, over the classes, of the spread between folds, where a fold's part of a
// class is taken relative to the share that it should have; ties to the fold
// that has fewer samples for its share. With equal shares it places exactly as
// scikit-learn does. Folds with share 0 stay empty.
func place(counts [][2]int, shares []float64) []int {
	order := make([]int, len(counts))
	var total [2]float64
	for g, c := range counts {
		order[g] = g
		total[0] += float64(c[0])
		total[1] += float64(c[1])
	}
	// For two classes the standard deviation is half the difference.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(imbalance(counts[b]), imbalance(counts[a])) })

	held := make([][2]float64, len(shares))
	folds := make([]int, len(counts))
	for _, g := range order {
		best, bestSpread, bestSize := -1, math.Inf(1), math.Inf(1)
		for f, share := range shares {
			if share == 0 {
				continue
			}
			size := (held[f][0] + held[f][1]) / share
			held[f][0] += float64(counts[g][0])
			held[f][1] += float64(counts[g][1])
			s := (spread(held, shares, total, 0) + spread(held, shares, total, 1)) / 2
			held[f][0] -= float64(counts[g][0])
			held[f][1] -= float64(counts[g][1])
			alike := math.Abs(s-bestSpread) <= 1e-8+1e-5*math.Abs(bestSpread)
			if best < 0 || (s < bestSpread && !alike) || alike && size < bestSize {
				best, bestSpread, bestSize = f, s, size
			}
		}
		folds[g] = best
		held[best][0] += float64(counts[g][0])
		held[best][1] += float64(counts[g][1])
	}
	return folds
}

func imbalance(c [2]int) int { return max(c[0]-c[1], c[1]-c[0]) }

// spread is the standard deviation, over the folds, of the part of a class that
// each holds relative to its share.
func spread(held [][2]float64, shares []float64, total [2]float64, class int) float64 {
	if total[class] == 0 {
		return 0
	}
	parts := make([]float64, 0, len(shares))
	var mean, squares float64
	for f, share := range shares {
		if share > 0 {
			parts = append(parts, held[f][class]/(total[class]*share))
			mean += parts[len(parts)-1]
		}
	}
	mean /= float64(len(parts))
	for _, part := range parts {
		squares += (part - mean) * (part - mean)
	}
	return math.Sqrt(squares / float64(len(parts)))
}
