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
		"every defect above every normal sample": {
			samples: []Sample{{Score: 2, Defect: true}, {Score: 1}},
			want:    1,
		},
		"every defect below every normal sample": {
			samples: []Sample{{Score: 1, Defect: true}, {Score: 2}},
			want:    0,
		},
		"a tie is half a pair": {
			samples: []Sample{{Score: 1, Defect: true}, {Score: 1}},
			want:    0.5,
		},
		"three pairs in order and a tie": {
			samples: []Sample{{Score: 2, Defect: true}, {Score: 1, Defect: true}, {Score: 1}, {Score: 0}},
			want:    3.5 / 4,
		},
		"no normal sample: no pair": {
			samples: []Sample{{Score: 1, Defect: true}},
			err:     ErrNoNormal,
		},
		"no defect: no pair": {
			samples: []Sample{{Score: 1}},
			err:     ErrNoDefect,
		},
		"no sample": {
			samples: nil,
			err:     ErrNoDefect,
		},
		"a score is NaN": {
			samples: []Sample{{Score: math.NaN()}, {Score: 1, Defect: true}},
			err:     ErrNotFinite,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ROCAUC(test.samples); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("%v, error %v, want %v, error %v", got, err, test.want, test.err)
			}
		})
	}
}
