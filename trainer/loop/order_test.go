package loop

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/wire"
)

// trainingSplit returns data whose training split has this many normal samples and defects.
func trainingSplit(normal, defect int) Data {
	var d Data
	for i := range normal + defect {
		label := int32(0)
		if i >= normal {
			label = 1
		}
		d.Labels, d.Train = append(d.Labels, label), append(d.Train, i)
	}
	return d
}

func TestDrawsFollowTheWeights(t *testing.T) {
	const draws = 200_000
	for name, test := range map[string]struct {
		normal, defect int
		exponent       float64
	}{
		"balanced in full": {90, 10, 1},
		"half way":         {90, 10, 0.5},
		"hardly":           {90, 10, 0.1},
		"one defect":       {50, 1, 0.5},
		"more defects":     {10, 90, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			d := trainingSplit(test.normal, test.defect)
			counts := make([]int, len(d.Labels))
			for _, i := range newSampler(d, test.exponent, 3).order(1, draws) {
				counts[i]++
			}
			total := 0.0
			weight := func(i int) float64 {
				if d.Labels[i] == 1 {
					return math.Pow(float64(test.defect), -test.exponent)
				}
				return math.Pow(float64(test.normal), -test.exponent)
			}
			for i := range counts {
				total += weight(i)
			}
			for i, got := range counts {
				p := weight(i) / total
				if off := math.Abs(float64(got)-draws*p) / math.Sqrt(draws*p*(1-p)); off > 5 {
					t.Errorf("sample %d was drawn %d times, want %.0f: %.1f standard deviations away",
						i, got, draws*p, off)
				}
			}
		})
	}
}

func TestWithoutWeightsEverySampleComesOnceBeforeAnyComesAgain(t *testing.T) {
	order := newSampler(trainingSplit(7, 3), 0, 1).order(1, 25)
	for _, round := range [][]int{order[:10], order[10:20]} {
		round = slices.Clone(round)
		slices.Sort(round)
		if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, round); diff != "" {
			t.Errorf("a round:\n%s", diff)
		}
	}
	if len(order) != 25 || slices.Equal(order[:10], order[10:20]) {
		t.Errorf("order %v: want 25 samples, and another order in every round", order)
	}
}

func TestTheOrderFollowsFromSeedAndEpoch(t *testing.T) {
	for _, exponent := range []float64{0, 0.5} {
		order := func(seed int64, epoch int) []int {
			return newSampler(trainingSplit(30, 10), exponent, seed).order(epoch, 40)
		}
		if !slices.Equal(order(1, 2), order(1, 2)) {
			t.Errorf("exponent %v: the same seed and epoch gave two orders", exponent)
		}
		if slices.Equal(order(1, 2), order(1, 3)) || slices.Equal(order(1, 2), order(2, 2)) {
			t.Errorf("exponent %v: another epoch or seed gave the same order", exponent)
		}
	}
}

func TestLearningRate(t *testing.T) {
	h := wire.Hyperparameters{Epochs: 5, WarmupEpochs: 1, LearningRate: 0.8, Schedule: wire.Cosine}
	var got []float64
	for position := range 5 * 4 {
		if position%2 == 1 || position > 16 {
			got = append(got, learningRate(h, 4, position))
		}
	}
	cosine := func(done float64) float64 { return 0.4 * (1 + math.Cos(math.Pi*done)) }
	want := []float64{0.4, 0.8}
	for _, done := range []float64{1, 3, 5, 7, 9, 11, 13, 14, 15} {
		want = append(want, cosine(done/16))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
	if first := learningRate(wire.Hyperparameters{Epochs: 2, LearningRate: 0.5}, 3, 0); first != 0.5 {
		t.Errorf("without a warm-up the first step has the learning rate %v, want the peak", first)
	}
}

func TestNormalisationIsOfTheTrainingSplit(t *testing.T) {
	d := Data{
		Size:     1,
		Channels: []string{"AM", "GRAY"},
		Train:    []int{0, 2},
		Images:   []uint8{10, 7, 255, 255, 30, 7},
	}
	mean, std, note := d.Normalisation()
	if diff := cmp.Diff([][]float64{{20, 7}, {10, 1}}, [][]float64{mean, std}); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(note, "channel GRAY") {
		t.Errorf("the note %q does not name the constant channel", note)
	}
}

func TestAReportThatIsTooLargeLosesItsScores(t *testing.T) {
	few := []wire.SampleScore{{ID: "s1"}}
	if r := shrink(wire.Report{Scores: few}); len(r.Scores) != 1 || r.Message != "" {
		t.Errorf("a small report was changed: %+v", r)
	}
	many := make([]wire.SampleScore, wire.MaxScores+1)
	long := []wire.SampleScore{{ID: strings.Repeat("x", wire.MaxReportBytes)}}
	for name, scores := range map[string][]wire.SampleScore{"too many": many, "too long": long} {
		if r := shrink(wire.Report{Scores: scores}); r.Scores != nil || !strings.Contains(r.Message, "left out") {
			t.Errorf("%s: the report has %d scores and the message %q", name, len(r.Scores), r.Message)
		}
	}
}
