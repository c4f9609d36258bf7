package score

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// twoScorings returns two scorings of the same samples. Both share the signal of every sample and the
// difficulty of its package, and each adds its own noise.
func twoScorings(noiseA, noiseB float64) (a, b []Sample) {
	random := rand.New(rand.NewPCG(9, 9))
	for p := range 16 {
		hard := random.NormFloat64()
		for range 12 {
			s := Sample{Defect: random.Float64() < 0.2, Group: strconv.Itoa(p)}
			signal := hard + random.NormFloat64()
			if s.Defect {
				signal += 2
			}
			s.Score = signal + noiseA*random.NormFloat64()
			a = append(a, s)
			s.Score = signal + noiseB*random.NormFloat64()
			b = append(b, s)
		}
	}
	return a, b
}

// The test computes the interval again in a slow way: for every draw it collects the samples of the drawn
// packages for both scorings, and takes the difference of the average precisions.
func TestBothScoringsUseTheSameDraws(t *testing.T) {
	a, b := twoScorings(0.2, 1.5)
	got, err := Compare(a, b, 300, 11)
	if err != nil {
		t.Fatal(err)
	}

	first, second, _ := paired(a, b)
	group, groups := groupsOf(first)
	random := rand.New(rand.NewPCG(11, 0x626f6f74))
	var values []float64
	for range 300 {
		var drawnA, drawnB []Sample
		for range groups {
			drawn := random.IntN(groups)
			for i, g := range group {
				if g == drawn {
					drawnA, drawnB = append(drawnA, first[i]), append(drawnB, second[i])
				}
			}
		}
		apA, errA := AveragePrecision(drawnA)
		apB, errB := AveragePrecision(drawnB)
		if errA == nil && errB == nil {
			values = append(values, apA-apB)
		}
	}
	slices.Sort(values)
	apA, _ := AveragePrecision(a)
	apB, _ := AveragePrecision(b)
	want := Difference{apA - apB, quantile(values, 0.025), quantile(values, 0.975)}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("difference:\n%s", diff)
	}
}

// This is the reason for pairing: the difficulty that both scorings share cancels, so that the paired interval
// shows a difference that two separate intervals hide.
func TestPairingShowsADifferenceThatSeparateIntervalsHide(t *testing.T) {
	a, b := twoScorings(0.2, 1.5)
	d, err := Compare(a, b, Draws, 1)
	if err != nil {
		t.Fatal(err)
	}
	lowA, _, _ := Interval(a, Draws, 1)
	_, highB, _ := Interval(b, Draws, 1)
	if lowA >= highB {
		t.Fatalf("the separate intervals do not overlap (%v, %v), so this test shows nothing", lowA, highB)
	}
	if d.WithinNoise() || d.Low <= 0 {
		t.Errorf("difference %+v is within noise", d)
	}
}

func TestCompare(t *testing.T) {
	a, b := twoScorings(0.2, 0.8)
	d, _ := Compare(a, b, 200, 3)
	swapped, _ := Compare(b, a, 200, 3)
	reversedA, reversedB := slices.Clone(a), slices.Clone(b)
	slices.Reverse(reversedA)
	slices.Reverse(reversedB)
	reversed, _ := Compare(reversedA, reversedB, 200, 3)
	again, _ := Compare(a, b, 200, 3)
	other, _ := Compare(a, b, 200, 4)
	same, _ := Compare(a, a, 200, 3)
	none, _ := Compare(a, b, 0, 3)
	switch {
	case again != d || other == d:
		t.Errorf("%+v: the same seed gives %+v, another %+v", d, again, other)
	case reversed != d:
		t.Errorf("%+v: in another order %+v", d, reversed)
	case swapped.Value != -d.Value:
		t.Errorf("%+v: swapped %+v", d, swapped)
	case same != Difference{} || !same.WithinNoise():
		t.Errorf("a scoring differs from itself by %+v", same)
	case none.Low != -1 || none.High != 1:
		t.Errorf("without draws: %+v, want [-1, 1]", none)
	}
}

// Samples without a package are drawn one by one. Where their scores in a are equal, only the scores in b
// decide their order.
func TestTheOrderOfSamplesDoesNotChangeTheDifference(t *testing.T) {
	a, b := twoScorings(0.2, 0.8)
	for i := range a {
		a[i].Score, a[i].Group, b[i].Group = math.Round(a[i].Score), "", ""
	}
	d, err := Compare(a, b, 100, 3)
	if err != nil {
		t.Fatal(err)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(a), func(i, j int) { a[i], a[j], b[i], b[j] = a[j], a[i], b[j], b[i] })
	if again, _ := Compare(a, b, 100, 3); again != d {
		t.Errorf("%+v became %+v", d, again)
	}
}

func TestScoringsOfOtherSamplesAreRefused(t *testing.T) {
	a := []Sample{{1, true, "p"}, {0, false, "q"}}
	for name, b := range map[string][]Sample{
		"fewer samples":   a[:1],
		"another label":   {{1, true, "p"}, {0, true, "q"}},
		"another package": {{1, true, "p"}, {0, false, "p"}},
	} {
		if _, err := Compare(a, b, 10, 1); !errors.Is(err, ErrNotPaired) {
			t.Errorf("%s: error %v, want ErrNotPaired", name, err)
		}
	}
}
