package score

import (
	"errors"
	"math"
	"testing"
)

// logit returns the score that has this probability.
func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func TestABinIncludesItsUpperEdgeAndTheFirstIncludesZero(t *testing.T) {
	for name, test := range map[string]struct {
		probability float64
		want        int
	}{
		"0":                            {0, 0},
		"almost 0":                     {math.SmallestNonzeroFloat64, 0},
		"one half lies inside the 8th": {0.5, 7},
		"just above 1/15":              {1.0/Bins + 1e-12, 1},
		"almost 1":                     {1 - 1e-12, Bins - 1},
	} {
		if got := binOf(test.probability); got != test.want {
			t.Errorf("%s: bin %d, want %d", name, got, test.want)
		}
	}
	bins, err := Reliability([]Sample{{Score: -1e4}, {Score: 1e4}})
	if err != nil || len(bins) != Bins || bins[0].Samples != 1 || bins[Bins-1].Samples != 1 {
		t.Fatalf("probabilities 0 and 1: error %v, bins %+v", err, bins)
	}
	for m, b := range bins {
		if binOf(b.High) != m {
			t.Errorf("the upper edge %v of bin %d falls into bin %d", b.High, m, binOf(b.High))
		}
	}
}

func TestHonestProbabilitiesHaveNoCalibrationError(t *testing.T) {
	// Of four samples with a probability of 1/4 one is a defect; of four with 3/4 three are.
	samples := []Sample{{Score: logit(0.25), Defect: true}, {Score: logit(0.75)}}
	for range 3 {
		samples = append(samples, Sample{Score: logit(0.25)}, Sample{Score: logit(0.75), Defect: true})
	}
	if got, err := CalibrationError(samples); err != nil || math.Abs(got) > 1e-15 {
		t.Errorf("calibration error %v, error %v, want 0", got, err)
	}
	if got, err := Brier(samples); err != nil || math.Abs(got-3.0/16) > 1e-15 {
		t.Errorf("Brier score %v, error %v, want p(1-p) = 3/16", got, err)
	}
}

func TestProbabilitiesAreJudgedWithoutDefects(t *testing.T) {
	for name, test := range map[string]struct {
		samples            []Sample
		brier, calibration float64
		err                error
	}{
		"no sample":           {nil, 0, 0, ErrNoDefect},
		"no defect":           {[]Sample{{Score: logit(0.25)}}, 1.0 / 16, 0.25, nil},
		"nothing but defects": {[]Sample{{Score: logit(0.25), Defect: true}}, 9.0 / 16, 0.75, nil},
		"a score is NaN":      {[]Sample{{Score: math.NaN()}}, 0, 0, ErrNotFinite},
		"a score is -Inf":     {[]Sample{{Score: math.Inf(-1)}}, 0, 0, ErrNotFinite},
	} {
		t.Run(name, func(t *testing.T) {
			brier, err := Brier(test.samples)
			if math.Abs(brier-test.brier) > 1e-15 || !errors.Is(err, test.err) {
				t.Errorf("Brier score %v, error %v, want %v, error %v", brier, err, test.brier, test.err)
			}
			calibration, err := CalibrationError(test.samples)
			if math.Abs(calibration-test.calibration) > 1e-15 || !errors.Is(err, test.err) {
				t.Errorf("calibration error %v, error %v, want %v, error %v",
					calibration, err, test.calibration, test.err)
			}
		})
	}
}
