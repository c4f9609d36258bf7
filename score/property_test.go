package score

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plumbline.dev/plumbline/wire"
)

// withTies reads two bytes per sample: the score, which has few possible values so that ties are common, then
// label and package.
func withTies(data []byte) []Sample {
	var samples []Sample
	for ; len(data) >= 2 && len(samples) < 200; data = data[2:] {
		samples = append(samples, Sample{
			Score:  float64(int8(data[0])),
			Defect: data[1]&1 == 1,
			Group:  string("pqrs"[data[1]>>1&3]),
		})
	}
	return samples
}

// These properties hold for every set of samples. The file names of the corpus under testdata/fuzz describe its sets.
func FuzzOnlyTheOrderOfScoresRanks(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		samples := withTies(data)
		ap, err := AveragePrecision(samples)
		if err != nil {
			if !errors.Is(err, ErrNoDefect) {
				t.Fatal(err)
			}
			return
		}
		roc, errROC := ROCAUC(samples)

		for name, rising := range map[string]func(float64) float64{
			"doubled and shifted": func(s float64) float64 { return 2*s + 3 },
			"cubed":               func(s float64) float64 { return s * s * s },
			"as probabilities":    func(s float64) float64 { return Probability(s / 16) },
			"arctangent":          math.Atan,
		} {
			again, _ := AveragePrecision(rescored(samples, rising))
			rocAgain, _ := ROCAUC(rescored(samples, rising))
			if again != ap || rocAgain != roc {
				t.Errorf("%s: average precision %v became %v, ROC-AUC %v became %v", name, ap, again, roc, rocAgain)
			}
		}
		reversed, err := ROCAUC(rescored(samples, func(s float64) float64 { return -s }))
		if errROC == nil && math.Abs(roc+reversed-1) > 1e-12 {
			t.Errorf("ROC-AUC is %v, and %v (%v) for negated scores; the sum is not 1", roc, reversed, err)
		}

		m := measured(t, samples)
		if diff := cmp.Diff(m, measured(t, shuffle(samples)), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("the order of the samples changes the metrics:\n%s", diff)
		}
		twice := measured(t, slices.Concat(samples, samples))
		twice.Samples = len(samples)
		if diff := cmp.Diff(m, twice, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("repeating every sample changes the metrics:\n%s", diff)
		}
		checkBounds(t, samples, m)
	})
}

// A model's score may be any float32. Measure returns metrics without NaN, or an error that says why not; it
// never panics.
func FuzzAnyScoreIsMeasuredOrRefused(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var samples []Sample
		for ; len(data) >= 5 && len(samples) < 200; data = data[5:] {
			score := math.Float32frombits(binary.LittleEndian.Uint32(data))
			samples = append(samples, Sample{Score: float64(score), Defect: data[4]&1 == 1})
		}
		threshold, err := Threshold(samples)
		if err != nil {
			if !errors.Is(err, ErrNoDefect) && !errors.Is(err, ErrNotFinite) {
				t.Errorf("Threshold returns an unknown error: %v", err)
			}
			if _, again := Measure(samples, 0, 1); !errors.Is(again, err) {
				t.Errorf("Threshold returns the error %v, Measure the error %v", err, again)
			}
			return
		}
		m, err := Measure(samples, threshold, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(m); err != nil { // JSON has no NaN and no Inf
			t.Errorf("%+v: %v", m, err)
		}
		if temperature := Temperature(samples); !(temperature >= minTemperature && temperature <= maxTemperature) {
			t.Errorf("temperature %v is out of bounds", temperature)
		}
		if m.F1 != m.OracleF1 {
			t.Errorf("F1 %v at the threshold chosen on these samples is not the oracle's %v", m.F1, m.OracleF1)
		}
		checkBounds(t, samples, m)
	})
}

func measured(t *testing.T, samples []Sample) wire.Metrics {
	t.Helper()
	m, err := Measure(samples, 0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// checkBounds checks that every metric lies in its range, and that recall never falls along the curve.
func checkBounds(t *testing.T, samples []Sample, m wire.Metrics) {
	t.Helper()
	for name, v := range map[string]float64{
		"aucPR":               m.AUCPR,
		"aucPRLow":            m.AUCPRLow,
		"aucPRHigh":           m.AUCPRHigh,
		"trapezoid":           m.Trapezoid,
		"rocAUC":              m.ROCAUC,
		"brier":               m.Brier,
		"calibrationError":    m.CalibrationError,
		"f1AtHalf":            m.F1AtHalf,
		"oracleF1":            m.OracleF1,
		"recallAtPrecision90": m.RecallAtPrecision90,
	} {
		if !(v >= 0 && v <= 1+1e-12) {
			t.Errorf("%s is %v", name, v)
		}
	}
	if m.AUCPRLow > m.AUCPRHigh || m.Trapezoid <= 0 || m.F1 > m.OracleF1 || m.F1AtHalf > m.OracleF1 {
		t.Errorf("interval, trapezoid or oracle F1 is impossible: %+v", m)
	}
	curve, err := Curve(samples)
	if err != nil {
		t.Fatal(err)
	}
	if last := curve[len(curve)-1]; last.Recall != 1 || last.Precision != m.Prevalence {
		t.Errorf("the curve ends at %+v, not at the prevalence %v", last, m.Prevalence)
	}
	for i := 1; i < len(curve); i++ {
		if above, here := curve[i-1], curve[i]; here.Threshold >= above.Threshold || here.Recall < above.Recall {
			t.Errorf("after %+v the curve continues with %+v", above, here)
		}
	}
}

func rescored(samples []Sample, f func(float64) float64) []Sample {
	out := slices.Clone(samples)
	for i := range out {
		out[i].Score = f(out[i].Score)
	}
	return out
}

func shuffle(samples []Sample) []Sample {
	out := slices.Clone(samples)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
