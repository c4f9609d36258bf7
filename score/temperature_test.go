package score

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Where the answer lies inside the bounds it is scipy's (golden_test.go); here is what it is at and beyond them.
func TestTemperature(t *testing.T) {
	for name, test := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"no samples: nothing changes":                 {nil, 1},
		"every score 0: nothing changes":              {[]Sample{{Score: 0, Defect: true}, {Score: 0}}, 1},
		"separated without error: the coldest":        {[]Sample{{Score: 1, Defect: true}, {Score: -1}}, coldest},
		"defects alone, so sure that 1 - p is 0":      {[]Sample{{Score: 500, Defect: true}}, coldest},
		"the wrong way round: the hottest":            {[]Sample{{Score: -1, Defect: true}, {Score: 1}}, hottest},
		"one score, half of them defects: hottest":    {[]Sample{{Score: 1, Defect: true}, {Score: 1}}, hottest},
		"three of four right at logit ln 3: already":  {threeOfFour(math.Log(3)), 1},
		"the same, said twice as loudly: halve it":    {threeOfFour(2 * math.Log(3)), 2},
		"the same, said half as loudly: double it":    {threeOfFour(math.Log(3) / 2), 0.5},
		"a hundred times too loud: held at the bound": {threeOfFour(100 * math.Log(3)), hottest},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Temperature(test.samples); math.Abs(got-test.want) > 1e-12 {
				t.Errorf("temperature %v, want %v", got, test.want)
			}
		})
	}
}

// threeOfFour are samples of which three of four lie on the side that their score names; logit ln 3 is the honest one.
func threeOfFour(score float64) []Sample {
	return []Sample{
		{Score: score, Defect: true}, {Score: score, Defect: true}, {Score: score, Defect: true}, {Score: score},
		{Score: -score}, {Score: -score}, {Score: -score}, {Score: -score, Defect: true},
	}
}

// What the temperature is for: no other lowers the cross-entropy, and the order that AUC-PR is made of stays.
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
