// The split into training, validation and test. The samples of a package share a print run and its
// lighting, so a whole package goes to one part. Within that rule, every part gets its share of the
// samples and of the defects.

package dataset

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"plumbline.dev/plumbline/wire"
)

// SplitSpec says how to split a set.
type SplitSpec struct {
	Test, Validation float64 // shares of the samples, 0 for an empty part; training gets the rest
	Seed             int64   // decides the order of packages that assignFolds treats as equal
	GroupBy          string  // GroupByPackage or GroupByNone
}

const (
	// GroupByPackage keeps the samples of a package together.
	GroupByPackage = "package"
	// GroupByNone assigns every sample independently.
	GroupByNone = "none"
)

// blockSize is the number of successive samples that are kept together in a set that names no packages:
// the packages of the first data set hold 15. A block may span two true packages, which is why such a
// split has a note.
const blockSize = 15

// Split holds the samples of each part, as ascending indices into Samples.
type Split struct {
	Train, Validation, Test []int
	Digest                  string // of each part's name and sample ids, in the order of labels.csv
	Note                    string // what a reader of the results must know; usually ""
}

// Split divides the set into parts. It returns an error when a part that should have samples would lack
// one of the classes, because nothing could be measured on that part.
func (s *Set) Split(spec SplitSpec) (Split, error) {
	if !(spec.Test >= 0 && spec.Validation >= 0 && spec.Test+spec.Validation < 1) { // also refuses NaN
		return Split{}, fmt.Errorf("split: test %v and validation %v must be shares of 0 or more "+
			"that leave some for training", spec.Test, spec.Validation)
	}
	groups, note, err := s.groups(spec.GroupBy)
	if err != nil {
		return Split{}, err
	}
	// assignFolds sorts the groups, so the shuffle only decides the order of groups with the same difference
	// between their class counts.
	random := rand.New(rand.NewPCG(uint64(spec.Seed), 0x73706c6974)) // "split" in ASCII
	random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })

	counts := make([][2]int, len(groups))
	for g, group := range groups {
		for _, i := range group {
			counts[g][s.Samples[i].Label]++
		}
	}
	folds := assignFolds(counts, []float64{1 - spec.Test - spec.Validation, spec.Validation, spec.Test})
	var indices [3][]int // by fold: training, validation, test
	for g, fold := range folds {
		indices[fold] = append(indices[fold], groups[g]...)
	}
	split := Split{Note: note}
	text := &strings.Builder{}
	for fold, part := range []struct {
		name    string
		share   float64
		indices *[]int
	}{
		{"training", 1, &split.Train},
		{"validation", spec.Validation, &split.Validation},
		{"test", spec.Test, &split.Test},
	} {
		slices.Sort(indices[fold])
		*part.indices = indices[fold]
		if err := s.checkPart(indices[fold], part.name, len(groups)); part.share > 0 && err != nil {
			return Split{}, err
		}
		for _, i := range indices[fold] {
			fmt.Fprintf(text, "%s %s\n", part.name, s.Samples[i].ID)
		}
	}
	split.Digest = wire.Digest([]byte(text.String()))
	return split, nil
}

// checkPart returns an error when a part lacks one of the classes. groups is the number of groups in the
// whole set.
func (s *Set) checkPart(indices []int, name string, groups int) error {
	var counts [2]int
	for _, i := range indices {
		counts[s.Samples[i].Label]++
	}
	for label, n := range counts {
		if n == 0 {
			return fmt.Errorf("split: the %s split (%d samples) holds no %s sample: "+
				"%d groups are too few, or too few of them have this class; set another share, or groupBy none",
				name, len(indices), Label(label), groups)
		}
	}
	return nil
}

// groups returns the groups of samples that must stay together, as indices into Samples, in the order of
// each group's first sample.
func (s *Set) groups(by string) (groups [][]int, note string, err error) {
	key := func(i int) string { return s.Samples[i].Package }
	switch {
	case by == GroupByNone:
		key = func(i int) string { return s.Samples[i].ID }
	case by != GroupByPackage:
		return nil, "", fmt.Errorf("split: groupBy %q is neither package nor none", by)
	case len(s.Samples) > 0 && s.Samples[0].Package == "": // checkPackages makes sure that no sample has a package
		// Blocks count the lines of labels.csv, excluded samples included. If they counted the remaining
		// samples, excluding one would move the borders of all later blocks, and samples that a network was
		// trained on would move into the test part.
		index := make(map[string]int, len(s.listed))
		for i, sample := range s.listed {
			index[sample.ID] = i
		}
		key = func(i int) string { return fmt.Sprint(index[s.Samples[i].ID] / blockSize) }
		note = fmt.Sprintf("labels.csv names no packages: each block of %d successive samples was kept together, "+
			"but the samples of one package may be in two parts of the split", blockSize)
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

// assignFolds returns the fold of every group. counts holds a group's samples by class. A fold with share
// 0 stays empty.
//
// The algorithm is that of scikit-learn's StratifiedGroupKFold (release 1.6), extended to folds of unequal
// size. It takes the groups in descending order of the standard deviation of their class counts. It puts
// each group into the fold for which the mean spread over the classes becomes smallest; see spread. If
// that is a tie, it takes the fold that has fewer samples relative to its share. With equal shares the
// result is scikit-learn's (testdata has its answers), except where the last bit of a sum decides a tie in
// scikit-learn.
func assignFolds(counts [][2]int, shares []float64) []int {
	order := make([]int, len(counts))
	var total [2]float64
	for g, c := range counts {
		order[g] = g
		total[0] += float64(c[0])
		total[1] += float64(c[1])
	}
	// For two classes the standard deviation is half the difference.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(difference(counts[b]), difference(counts[a]))
	})

	held := make([][2]float64, len(shares)) // samples by fold and class
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
			meanSpread := (spread(held, shares, total, 0) + spread(held, shares, total, 1)) / 2
			held[f][0] -= float64(counts[g][0])
			held[f][1] -= float64(counts[g][1])
			// The tolerance of numpy.isclose, which scikit-learn uses.
			tie := math.Abs(meanSpread-bestSpread) <= 1e-8+1e-5*math.Abs(bestSpread)
			if best < 0 || (meanSpread < bestSpread && !tie) || tie && size < bestSize {
				best, bestSpread, bestSize = f, meanSpread, size
			}
		}
		folds[g] = best
		held[best][0] += float64(counts[g][0])
		held[best][1] += float64(counts[g][1])
	}
	return folds
}

func difference(c [2]int) int { return max(c[0]-c[1], c[1]-c[0]) }

// spread returns the standard deviation, over the folds with a share, of the fraction of a class's samples
// that a fold holds, divided by the fold's share.
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
