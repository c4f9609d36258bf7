package score

import (
	"errors"
	"math"
	"testing"
)

func TestROCAUC(t *testing.T) {
	for name, test := range map[string]struct {
		samples []Sample
		want    float64
		err     error
	}{
		"every defect above every normal sample": {[]Sample{{Score: 2, Defect: true}, {Score: 1}}, 1, nil},
		"every defect below":                     {[]Sample{{Score: 1, Defect: true}, {Score: 2}}, 0, nil},
		"a tie is half a pair":                   {[]Sample{{Score: 1, Defect: true}, {Score: 1}}, 0.5, nil},
		"three of four pairs, one of them a tie": {[]Sample{{Score: 2, Defect: true}, {Score: 1, Defect: true}, {Score: 1}, {Score: 0}}, 3.5 / 4, nil},
		"no normal sample: no pair":              {[]Sample{{Score: 1, Defect: true}}, 0, ErrNoNormal},
		"no defect: no pair either":              {[]Sample{{Score: 1}}, 0, ErrNoDefect},
		"no sample":                              {nil, 0, ErrNoDefect},
		"a score is NaN":                         {[]Sample{{Score: math.NaN()}, {Score: 1, Defect: true}}, 0, ErrNotFinite},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ROCAUC(test.samples); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("%v, error %v, want %v, error %v", got, err, test.want, test.err)
			}
		})
	}
}
