package score

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/wire"
)

func TestSamplesThatCannotBeMeasuredAreAnError(t *testing.T) {
	for name, test := range map[string]struct {
		samples []Sample
		want    error
	}{
		"no sample":             {nil, ErrNoDefect},
		"no defect":             {[]Sample{{Score: 1}, {Score: 2}}, ErrNoDefect},
		"a score is NaN":        {[]Sample{{Score: math.NaN()}, {Score: 2, Defect: true}}, ErrNotFinite},
		"a score is +Inf":       {[]Sample{{Score: 1, Defect: true}, {Score: math.Inf(1)}}, ErrNotFinite},
		"a score is -Inf":       {[]Sample{{Score: math.Inf(-1), Defect: true}}, ErrNotFinite},
		"no normal is no error": {[]Sample{{Score: 1, Defect: true}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, ap := AveragePrecision(test.samples)
			_, trapezoid := Trapezoid(test.samples)
			_, threshold := Threshold(test.samples)
			_, curve := Curve(test.samples)
			_, recall := RecallAtPrecision(test.samples, 0.9)
			_, oracle := OracleF1(test.samples)
			_, difference := Compare(test.samples, test.samples, 10, 1)
			_, measure := Measure(test.samples, 0, 1)
			for function, err := range map[string]error{
				"AveragePrecision": ap, "Trapezoid": trapezoid, "Threshold": threshold, "Curve": curve,
				"RecallAtPrecision": recall, "OracleF1": oracle, "Compare": difference, "Measure": measure,
			} {
				if !errors.Is(err, test.want) {
					t.Errorf("%s: error %v, want %v", function, err, test.want)
				}
			}
		})
	}
}

func TestThreshold(t *testing.T) {
	for name, test := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"midway between the neighbours of the best cut": {
			[]Sample{{Score: 1}, {Score: 2}, {Score: 3, Defect: true}, {Score: 5, Defect: true}}, 2.5},
		"everything is a defect: the lowest score itself": {
			[]Sample{{Score: 4, Defect: true}, {Score: -1, Defect: true}}, -1},
		"all scores are equal: the score itself": {
			[]Sample{{Score: 7, Defect: true}, {Score: 7}}, 7},
		"of equal F1 the highest threshold": { // 2/3 at both cuts
			[]Sample{{Score: 9, Defect: true}, {Score: 5}, {Score: 4}, {Score: 3, Defect: true}}, 7},
		"no number between the neighbours: the upper one": {
			[]Sample{{Score: 1}, {Score: math.Nextafter(1, 2), Defect: true}}, math.Nextafter(1, 2)},
		"neighbours far apart do not overflow": {
			[]Sample{{Score: -math.MaxFloat64}, {Score: math.MaxFloat64 / 2, Defect: true}}, -math.MaxFloat64 / 4},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Threshold(test.samples)
			if err != nil || got != test.want {
				t.Errorf("threshold %v, error %v, want %v", got, err, test.want)
			}
		})
	}
}

// The test computes the interval again in a slow way: for every draw it collects the samples of the drawn
// packages, and takes their average precision.
func TestIntervalResamplesPackages(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	packages := map[string][]Sample{}
	var samples []Sample
	var names []string
	for i := range 60 {
		name := string(rune('a' + i/6))
		s := Sample{Score: random.NormFloat64(), Defect: random.Float64() < 0.2, Group: name}
		if s.Defect {
			s.Score++
		}
		samples = append(samples, s)
		packages[name] = append(packages[name], s)
	}
	low, high, err := Interval(samples, 500, 11)
	if err != nil {
		t.Fatal(err)
	}

	sorted, _ := newSteps(samples)
	for _, s := range sorted.samples {
		if !slices.Contains(names, s.Group) {
			names = append(names, s.Group)
		}
	}
	random = rand.New(rand.NewPCG(11, 0x626f6f74))
	var values []float64
	for range 500 {
		var drawn []Sample
		for range names {
			drawn = append(drawn, packages[names[random.IntN(len(names))]]...)
		}
		if v, err := AveragePrecision(drawn); err == nil {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	want := []float64{quantile(values, 0.025), quantile(values, 0.975)}
	if diff := cmp.Diff(want, []float64{low, high}, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Errorf("interval:\n%s", diff)
	}
	ap, _ := AveragePrecision(samples)
	if !(low < ap && ap < high) {
		t.Errorf("average precision %v lies outside its interval [%v, %v]", ap, low, high)
	}

	again, _, _ := Interval(samples, 500, 11)
	other, _, _ := Interval(samples, 500, 12)
	if again != low || other == low {
		t.Errorf("lower bound %v: the same seed gives %v, another %v", low, again, other)
	}
}

// With equal scores the result could depend on the order of the samples: packages would be numbered, and drawn,
// in that order.
func TestTheOrderOfSamplesDoesNotChangeTheInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for name, group := range map[string]func(i int) string{
		"in packages": func(i int) string { return string(rune('a' + i/6)) },
		"one by one":  func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			var samples []Sample
			for i := range 90 {
				score := float64(random.IntN(4))
				samples = append(samples, Sample{Score: score, Defect: random.Float64() < 0.3, Group: group(i)})
			}
			low, high, _ := Interval(samples, 100, 1)
			for range 5 {
				random.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
				if l, h, _ := Interval(samples, 100, 1); l != low || h != high {
					t.Errorf("[%v, %v] became [%v, %v]", low, high, l, h)
				}
			}
		})
	}
}

func TestIntervalOfOnePackageIsItsAveragePrecision(t *testing.T) {
	samples := []Sample{{2, true, "p"}, {1, false, "p"}, {0, true, "p"}}
	low, high, err := Interval(samples, 50, 1)
	want, _ := AveragePrecision(samples)
	if err != nil || low != want || high != want {
		t.Errorf("interval [%v, %v], error %v, want %v at both ends", low, high, err, want)
	}
}

func TestQuantileIsNumpys(t *testing.T) {
	for name, test := range map[string]struct {
		sorted  []float64
		q, want float64
	}{
		"between two values":   {[]float64{1, 2, 4}, 0.75, 3},
		"at a value":           {[]float64{1, 2, 4}, 0.5, 2},
		"the last":             {[]float64{1, 2, 4}, 1, 4},
		"no values, lower end": {nil, 0.025, 0},
		"no values, upper end": {nil, 0.975, 1},
	} {
		if got := quantile(test.sorted, test.q); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Weights n_c^-a change the odds of a defect by the factor (n0/n1)^a. Subtracting the shift must give the true odds.
func TestPriorShiftIsThatOfSamplingAndLossWeights(t *testing.T) {
	const normal, defect = 900, 100
	for _, a := range []float64{0, 0.5, 1} {
		for _, b := range []float64{0, 0.5, 1} {
			drawn := func(n float64) float64 { return n * math.Pow(n, -a) * math.Pow(n, -b) }
			learned := math.Log(drawn(defect) / drawn(normal)) // by a model that cannot distinguish the samples
			got := learned - PriorShift(normal, defect, a, b)
			if want := math.Log(float64(defect) / normal); math.Abs(got-want) > 1e-12 {
				t.Errorf("sampler %v, loss %v: logit %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestCrossEntropyDoesNotOverflow(t *testing.T) {
	got := CrossEntropy([]Sample{{Score: 1e6}, {Score: -1e6, Defect: true}, {Score: 1e6, Defect: true}, {Score: -1e6}})
	if got != 5e5 {
		t.Errorf("mean cross-entropy %v, want 500000", got)
	}
}

func TestMeasureReturnsEveryMetric(t *testing.T) {
	samples := []Sample{{2, true, "p"}, {1, false, "p"}, {0, true, "q"}, {-1, false, "q"}}
	got, err := Measure(samples, 0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.AUCPRLow > got.AUCPR || got.AUCPRHigh < got.AUCPR {
		t.Errorf("average precision outside its interval: %+v", got)
	}
	got.AUCPRLow, got.AUCPRHigh = 0, 0
	want := wire.Metrics{
		AUCPR: 5.0 / 6, F1: 0.5, Precision: 0.5, Recall: 0.5, Threshold: 0.5, Prevalence: 0.5, Samples: 4,
		Loss:      CrossEntropy(samples),
		Trapezoid: 0.5 + 0.5*(1.0/2+2.0/3)/2, ROCAUC: 0.75, F1AtHalf: 0.8, OracleF1: 0.8, RecallAtPrecision90: 0.5,
	}
	want.Brier, _ = Brier(samples)
	want.CalibrationError, _ = CalibrationError(samples)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
}

func TestMeasureReportsRecallAtPrecision90(t *testing.T) {
	// With the nine defects that are added, the precision at score 1 is 9/10, and at score 0 it is 10/11.
	samples := []Sample{{Score: 1, Defect: false}, {Score: 0, Defect: true}, {Score: -1}}
	for range 9 {
		samples = append(samples, Sample{Score: 1, Defect: true})
	}
	for name, test := range map[string]struct {
		add  Sample
		want float64
	}{
		"another normal sample below all defects":     {Sample{Score: -2}, 1},
		"another normal sample above the last defect": {Sample{Score: 0.5}, 0.9},
	} {
		m, err := Measure(append(slices.Clone(samples), test.add), 0, 1)
		if err != nil || m.RecallAtPrecision90 != test.want {
			t.Errorf("%s: recall %v, error %v, want %v", name, m.RecallAtPrecision90, err, test.want)
		}
	}
}

// A set of defects alone can be measured. ROC-AUC compares pairs, so it is the only metric that the report omits.
func TestMeasureWithoutANormalSampleOmitsROCAUC(t *testing.T) {
	got, err := Measure([]Sample{{Score: 2, Defect: true}, {Score: -1, Defect: true}}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if got.AUCPR != 1 || got.Trapezoid != 1 || got.OracleF1 != 1 || strings.Contains(string(text), "rocAUC") {
		t.Errorf("measured %s", text)
	}
}
