package wire

import (
	"math"
	"testing"
)

// The text of an error ends in a status. A text that changed its order from one validation to the next would be written
// again each time, and would read as another problem.
func TestAnErrorHasTheSameTextEachTime(t *testing.T) {
	const texts = 100
	for name, validate := range map[string]func() error{
		"a trial": func() error { return Trial{Pretrained: &Pretrained{InputAdaptation: "fold"}}.Validate() },
		"colours": Pretrained{
			URI: "file:///w", InputAdaptation: AdaptMapped, Colours: map[string]string{"AM": "x", "AC": "y", "D": "z"},
		}.validate,
		"imbalance":       Imbalance{LossWeight: 2, SamplerWeight: 2}.validate,
		"hyperparameters": Hyperparameters{Epochs: -1, Epsilon: math.NaN()}.Validate,
		"metrics":         (&Metrics{AUCPR: 2, AUCPRLow: 2, F1: 2, Recall: 2, Brier: 2, OracleF1: 2}).validate,
		"a report":        Report{Metrics: &Metrics{AUCPR: 2, F1: 2}, Test: &Metrics{Brier: 2, F1: 2}}.Validate,
		"a manifest":      Manifest{Files: []File{{Name: "a"}, {Name: "b"}}}.Validate,
		"other settings": func() error {
			return Manifest{Classes: []string{"normal", "defect"}, Pretrained: "sha256:0"}.CheckResume(Manifest{})
		},
	} {
		first := validate()
		if first == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for range texts {
			if err := validate(); err.Error() != first.Error() {
				t.Errorf("%s: the error was first\n%v\nand then\n%v", name, first, err)
				break
			}
		}
	}
}
