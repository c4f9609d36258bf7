package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With equal shares the folds are those of StratifiedGroupKFold. testdata/stratified_group_kfold.py wrote
// the cases.
func TestAssignFoldsAgreesWithScikitLearn(t *testing.T) {
	text, err := os.ReadFile("testdata/stratified_group_kfold.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Folds  int
		Counts [][2]int
		Where  []int
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d groups in %d folds", len(c.Counts), c.Folds), func(t *testing.T) {
			shares := make([]float64, c.Folds)
			for f := range shares {
				shares[f] = 1 / float64(c.Folds)
			}
			if diff := cmp.Diff(c.Where, assignFolds(c.Counts, shares)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// inPackages returns a set of n samples in packages of size samples. defect reports which samples are
// defects.
func inPackages(n, size int, defect func(i int) bool) *Set {
	s := &Set{}
	for i := range n {
		sample := Sample{ID: fmt.Sprintf("e%04d", i), Package: fmt.Sprintf("p%d", i/size), Line: i + 2}
		if defect(i) {
			sample.Label = Defect
		}
		s.Samples = append(s.Samples, sample)
	}
	s.listed = slices.Clone(s.Samples)
	return s
}

// scattered makes a share of the samples defects, without a pattern in the packages.
func scattered(share float64) func(i int) bool {
	return func(i int) bool {
		_, part := math.Modf(float64(i) * math.Phi)
		return part < share
	}
}

func TestSplitKeepsPackagesWholeAndSharesOfDefects(t *testing.T) {
	for name, c := range map[string]struct {
		n          int
		prevalence float64
		spec       SplitSpec
	}{
		"the demo's set":         {480, 0.30, SplitSpec{0.15, 0.2, 1, GroupByPackage}},
		"the erasers":            {1381, 0.12, SplitSpec{0.2, 0.2, 7, GroupByPackage}},
		"small shares":           {1381, 0.12, SplitSpec{0.1, 0.1, 7, GroupByPackage}},
		"no test part":           {480, 0.30, SplitSpec{0, 0.25, 1, GroupByPackage}},
		"samples without groups": {480, 0.30, SplitSpec{0.15, 0.2, 1, GroupByNone}},
		"a small training part":  {1381, 0.12, SplitSpec{0.4, 0.3, 1, GroupByPackage}},
	} {
		t.Run(name, func(t *testing.T) {
			s := inPackages(c.n, 15, scattered(c.prevalence))
			split, err := s.Split(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			partOf := make([]string, c.n)
			packagePart := map[string]string{}
			for name, part := range map[string]struct {
				indices []int
				share   float64
			}{
				"training":   {split.Train, 1 - c.spec.Test - c.spec.Validation},
				"validation": {split.Validation, c.spec.Validation},
				"test":       {split.Test, c.spec.Test},
			} {
				defects := 0
				for k, i := range part.indices {
					if partOf[i] != "" {
						t.Fatalf("sample %d is in %s and %s", i, partOf[i], name)
					}
					if k > 0 && part.indices[k-1] >= i {
						t.Fatalf("%s is not ascending", name)
					}
					partOf[i] = name
					p := s.Samples[i].Package
					if other := packagePart[p]; c.spec.GroupBy == GroupByPackage && other != "" && other != name {
						t.Fatalf("package %s is in %s and %s", p, other, name)
					}
					packagePart[p] = name
					defects += int(s.Samples[i].Label)
				}
				n := float64(len(part.indices))
				if math.Abs(n-part.share*float64(c.n)) > 15 {
					t.Errorf("%s has %v samples of %d, want a share of %v, give or take one package",
						name, n, c.n, part.share)
				}
				if n > 0 && math.Abs(float64(defects)/n-c.prevalence) > 0.02 {
					t.Errorf("%s: %v defects of %v, want %v within 0.02", name, defects, n, c.prevalence)
				}
			}
			for i, where := range partOf {
				if where == "" {
					t.Fatalf("sample %d is in no part", i)
				}
			}
		})
	}
}

func TestSplitIsRepeatable(t *testing.T) {
	s := inPackages(480, 15, scattered(0.3))
	split := func(seed int64) Split {
		split, err := s.Split(SplitSpec{0.15, 0.2, seed, GroupByPackage})
		if err != nil {
			t.Fatal(err)
		}
		return split
	}
	if diff := cmp.Diff(split(1), split(1)); diff != "" {
		t.Error(diff)
	}
	if split(1).Digest == split(2).Digest {
		t.Error("two seeds gave the same split")
	}
	// Pinned: a resumed trial must have the same split after an upgrade.
	if got, want := shortDigest(split(1).Digest), "sha256:20221c6b1f72…"; got != want {
		t.Errorf("the split of seed 1 is %s, want %s", got, want)
	}
}

func TestSplitRefuses(t *testing.T) {
	only := func(ids ...int) func(int) bool {
		return func(i int) bool {
			for _, id := range ids {
				if id == i {
					return true
				}
			}
			return false
		}
	}
	for name, c := range map[string]struct {
		set  *Set
		spec SplitSpec
		want string
	}{
		"defects in one package only": {
			set:  inPackages(60, 15, only(3, 4)),
			spec: SplitSpec{0.2, 0.2, 1, GroupByPackage},
			want: "holds no defect sample: 4 groups are too few",
		},
		"nothing left for training": {
			set:  inPackages(60, 15, only(3)),
			spec: SplitSpec{0.5, 0.5, 1, GroupByPackage},
			want: "leave some for training",
		},
		"a share that is NaN": {
			set:  inPackages(60, 15, only(3)),
			spec: SplitSpec{math.NaN(), 0.5, 1, GroupByPackage},
			want: "leave some for training",
		},
		"an unknown grouping": {
			set:  inPackages(60, 15, only(3)),
			spec: SplitSpec{0.2, 0.2, 1, "tray"},
			want: `groupBy "tray" is neither package nor none`,
		},
		"an empty set": {
			set:  inPackages(0, 15, only()),
			spec: SplitSpec{0.2, 0.2, 1, GroupByPackage},
			want: "the training split (0 samples) holds no normal sample",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.set.Split(c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestSplitWithoutPackagesKeepsBlocksAndAddsANote(t *testing.T) {
	s := inPackages(480, 15, scattered(0.3))
	named, err := s.Split(SplitSpec{0.15, 0.2, 1, GroupByPackage})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Samples {
		s.Samples[i].Package = ""
	}
	blocks, err := s.Split(SplitSpec{0.15, 0.2, 1, GroupByPackage})
	if err != nil {
		t.Fatal(err)
	}
	if blocks.Digest != named.Digest { // the packages of s were blocks of 15
		t.Error("blocks of successive samples were not kept together")
	}
	if named.Note != "" || !strings.Contains(blocks.Note, "names no packages") {
		t.Errorf("notes: %q with packages, %q without", named.Note, blocks.Note)
	}
}

func TestExcludingASampleMovesNoBlockBorder(t *testing.T) {
	s := inPackages(480, 15, scattered(0.3))
	for i := range s.Samples {
		s.Samples[i].Package = ""
	}
	blocks := func() map[string]int {
		groups, _, err := s.groups(GroupByPackage)
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]int{}
		for g, group := range groups {
			for _, i := range group {
				of[s.Samples[i].ID] = g
			}
		}
		return of
	}
	want := blocks()
	for _, excluded := range []int{0, 20} {
		delete(want, s.Samples[excluded].ID)
		s.Samples = slices.Delete(s.Samples, excluded, excluded+1)
	}
	if diff := cmp.Diff(want, blocks()); diff != "" {
		t.Error(diff)
	}
}
