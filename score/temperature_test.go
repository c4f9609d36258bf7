package score

import (
	"math"
	"math/rand/v2"
	"testing"
)

// golden_test.go compares temperatures within the bounds with scipy's. These cases are at the bounds, beyond
// them, or simple enough to compute by hand.
func TestTemperature(t *testing.T) {
	for name, test := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"no samples: nothing changes":            {nil, 1},
		"every score 0: nothing changes":         {[]Sample{{Score: 0, Defect: true}, {Score: 0}}, 1},
		"classes separated: the lowest":          {[]Sample{{Score: 1, Defect: true}, {Score: -1}}, minTemperature},
		"a defect for which 1 - p is 0":          {[]Sample{{Score: 500, Defect: true}}, minTemperature},
		"wrong signs: the highest":               {[]Sample{{Score: -1, Defect: true}, {Score: 1}}, maxTemperature},
		"one score, half defects: the highest":   {[]Sample{{Score: 1, Defect: true}, {Score: 1}}, maxTemperature},
		"three of four right at ln 3: unchanged": {threeOfFour(math.Log(3)), 1},
		"logits twice as large: divide by 2":     {threeOfFour(2 * math.Log(3)), 2},
		"logits half as large: divide by 1/2":    {threeOfFour(math.Log(3) / 2), 0.5},
		"logits 100 times as large: the highest": {threeOfFour(100 * math.Log(3)), maxTemperature},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Temperature(test.samples); math.Abs(got-test.want) > 1e-12 {
				t.Errorf("temperature %v, want %v", got, test.want)
			}
		})
	}
}

// threeOfFour returns samples with scores of either sign. Of four samples, three have the class that the sign
// predicts, so ln 3 would be the calibrated logit.
func threeOfFour(score float64) []Sample {
	return []Sample{
		{Score: score, Defect: true}, {Score: score, Defect: true}, {Score: score, Defect: true}, {Score: score},
		{Score: -score}, {Score: -score}, {Score: -score}, {Score: -score, Defect: true},
	}
}

// No other temperature gives a lower cross-entropy, and the order of the scores, and so AUC-PR, stays the same.
func TestNoOtherTemperatureLowersTheCrossEntropy(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	var samples []Sample
	for range 300 {
		s := Sample{Score: 3 * random.NormFloat64(), Defect: random.Float64() < 0.3}
		if s.Defect {
			s.Score += 4
		}
		samples = append(samples, s)
	}
	at := func(temperature float64) []Sample {
		scaled := make([]Sample, len(samples))
		for i, s := range samples {
			s.Score /= temperature
			scaled[i] = s
		}
		return scaled
	}
	best := Temperature(samples)
	for _, other := range []float64{0.9, 0.999, 1.001, 1.1} {
		if got, least := CrossEntropy(at(best*other)), CrossEntropy(at(best)); got <= least {
			t.Errorf("temperature %v has a cross-entropy of %v, %v has %v", best, least, best*other, got)
		}
	}
	before, _ := AveragePrecision(samples)
	after, _ := AveragePrecision(at(best))
	if before != after {
		t.Errorf("average precision %v became %v", before, after)
	}
}
