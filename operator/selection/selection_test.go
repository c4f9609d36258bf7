package selection

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/score"
	"plumbline.dev/plumbline/wire"
)

var data = wire.Digests{Data: "sha256:d", Labels: "sha256:l", Split: "sha256:s"}

func candidate(trial string, depth, epoch int, value, low, high float64) Candidate {
	return Candidate{
		Trial: trial, Depth: depth, Epoch: epoch, Digests: data,
		Checkpoint: wire.CheckpointRef{URI: "file:///c/" + trial, Digest: "sha256:c"},
		Metrics:    wire.Metrics{AUCPR: value, AUCPRLow: low, AUCPRHigh: high},
	}
}

func TestChoose(t *testing.T) {
	other := candidate("d152", 152, 5, 0.99, 0.9, 1)
	other.Digests.Labels = "sha256:changed"
	unsaved := candidate("d34", 34, 1, 0.99, 0.9, 1)
	notFinite := candidate("d101", 101, 1, math.NaN(), 0, 0)
	unsaved.Checkpoint = wire.CheckpointRef{}
	type want struct{ Best, RunnerUp, Reason string }
	for name, tc := range map[string]struct {
		cs   []Candidate
		rule Rule
		want want
	}{
		"nothing was reported": {
			want: want{Reason: "No trial has reported a checkpoint yet."},
		},
		"one trial": {
			cs: []Candidate{candidate("d18", 18, 3, 0.8, 0.7, 0.9)},
			want: want{
				Best:   "d18",
				Reason: "d18 is the only trial with a checkpoint: AUC-PR 0.8000 at epoch 3.",
			},
		},
		"the runner-up is within the best's interval": {
			cs: []Candidate{candidate("d18", 18, 3, 0.78, 0.7, 0.85), candidate("d50", 50, 7, 0.8, 0.75, 0.86)},
			want: want{
				Best: "d50", RunnerUp: "d18",
				Reason: "d50 has the highest AUC-PR: 0.8000 at epoch 7. " +
					"The runner-up d18 has 0.7800 at epoch 3, 0.0200 lower; " +
					"the value of d18 is within the 95 % interval of d50 (0.7500 to 0.8600), " +
					"so the difference is within noise.",
			},
		},
		"the best is within the runner-up's wide interval": {
			cs: []Candidate{candidate("d18", 18, 3, 0.6, 0.4, 0.85), candidate("d50", 50, 7, 0.8, 0.75, 0.86)},
			want: want{
				Best: "d50", RunnerUp: "d18",
				Reason: "d50 has the highest AUC-PR: 0.8000 at epoch 7. " +
					"The runner-up d18 has 0.6000 at epoch 3, 0.2000 lower; " +
					"the value of d50 is within the 95 % interval of d18 (0.4000 to 0.8500), " +
					"so the difference is within noise.",
			},
		},
		"far apart": {
			cs: []Candidate{candidate("d18", 18, 3, 0.6, 0.55, 0.65), candidate("d50", 50, 7, 0.8, 0.75, 0.86)},
			want: want{
				Best: "d50", RunnerUp: "d18",
				Reason: "d50 has the highest AUC-PR: 0.8000 at epoch 7. " +
					"The runner-up d18 has 0.6000 at epoch 3, 0.2000 lower, " +
					"and each value is outside the other's 95 % interval.",
			},
		},
		"of equal values the smaller depth wins": {
			cs: []Candidate{candidate("d50", 50, 2, 0.8, 0.7, 0.9), candidate("d34", 34, 7, 0.8, 0.7, 0.9)},
			want: want{
				Best: "d34", RunnerUp: "d50",
				Reason: "d34 and d50 both have the highest AUC-PR, 0.8000; the smaller depth wins, d34 at epoch 7. " +
					"The runner-up d50 has 0.8000 at epoch 2, the same value; " +
					"the value of d50 is within the 95 % interval of d34 (0.7000 to 0.9000), " +
					"so the difference is within noise.",
			},
		},
		"within tieMargin the smaller depth wins": {
			cs:   []Candidate{candidate("d18", 18, 3, 0.795, 0.7, 0.85), candidate("d50", 50, 7, 0.8, 0.75, 0.86)},
			rule: Rule{TieMargin: 0.01},
			want: want{
				Best: "d18", RunnerUp: "d50",
				Reason: "d18 is the smallest depth whose AUC-PR, 0.7950 at epoch 3, " +
					"is within tieMargin of the highest, 0.8000 of d50. " +
					"The runner-up d50 has 0.8000 at epoch 7, 0.0050 higher; " +
					"the value of d50 is within the 95 % interval of d18 (0.7000 to 0.8500), " +
					"so the difference is within noise.",
			},
		},
		"no value reaches minValue": {
			cs:   []Candidate{candidate("d18", 18, 3, 0.3, 0.2, 0.4)},
			rule: Rule{MinValue: 0.5},
			want: want{Reason: "No checkpoint reaches minValue 0.5000."},
		},
		"a trial that learned from other labels is named and not compared": {
			cs: []Candidate{candidate("d18", 18, 3, 0.6, 0.55, 0.65), candidate("d50", 50, 7, 0.8, 0.75, 0.86), other},
			want: want{
				Best: "d50", RunnerUp: "d18",
				Reason: "d50 has the highest AUC-PR: 0.8000 at epoch 7. " +
					"The runner-up d18 has 0.6000 at epoch 3, 0.2000 lower, " +
					"and each value is outside the other's 95 % interval. " +
					"Trials that learned from other data are not compared: d152.",
			},
		},
		"a value that is not a number, and a value without a checkpoint": {
			cs: []Candidate{notFinite, unsaved, candidate("d18", 18, 3, 0.6, 0.55, 0.65)},
			want: want{
				Best:   "d18",
				Reason: "d18 is the only trial with a checkpoint: AUC-PR 0.6000 at epoch 3.",
			},
		},
		"of two trials with different data the smaller depth counts": {
			cs: []Candidate{other, candidate("d18", 18, 3, 0.6, 0.55, 0.65)},
			want: want{
				Best: "d18",
				Reason: "d18 is the only trial with a checkpoint: AUC-PR 0.6000 at epoch 3. " +
					"Trials that learned from other data are not compared: d152.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := Choose(tc.cs, tc.rule, false)
			if diff := cmp.Diff(tc.want, want{trial(c.Best), trial(c.RunnerUp), c.Reason}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The order of the candidates changes neither the choice nor its reason.
func TestChooseIgnoresOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := []float64{0.5, 0.6, 0.601, 0.605, 0.61, 0.7}
	for range 500 {
		var cs []Candidate
		for _, d := range wire.Depths[:1+rng.IntN(5)] {
			c := candidate(wire.TrialName(d), d, 1+rng.IntN(4), values[rng.IntN(len(values))], 0.4, 0.8)
			if rng.IntN(4) == 0 {
				c.Digests.Data = "sha256:other"
			}
			cs = append(cs, c)
		}
		rule := Rule{TieMargin: []float64{0, 0.01, 0.1}[rng.IntN(3)], MinValue: []float64{0, 0.6}[rng.IntN(2)]}
		want := Choose(cs, rule, false)
		rng.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
		if diff := cmp.Diff(want, Choose(cs, rule, false)); diff != "" {
			t.Fatalf("candidates %+v: %s", cs, diff)
		}
	}
}

// If both trials scored the same samples, the paired lead finds a difference that the two intervals hide: d50 is a
// little better on nearly every package.
func TestTheLeadIsPaired(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a, b := candidate("d18", 18, 3, 0, 0.5, 0.9), candidate("d50", 50, 4, 0, 0.5, 0.9)
	for i := range 300 {
		label := 0
		if i%5 == 0 {
			label = 1
		}
		hard := rng.NormFloat64() // how hard the sample is, for both trials
		s := wire.SampleScore{ID: fmt.Sprintf("s%03d", i), Group: fmt.Sprint(i / 15), Label: label}
		s.Logit = 1.5*float64(label) + hard
		a.Scores = append(a.Scores, s)
		s.Logit = 2.2*float64(label) + hard
		b.Scores = append(b.Scores, s)
	}
	a.Metrics.AUCPR, b.Metrics.AUCPR = averagePrecision(t, a), averagePrecision(t, b)
	rng.Shuffle(len(a.Scores), func(i, j int) { a.Scores[i], a.Scores[j] = a.Scores[j], a.Scores[i] })
	c := Choose([]Candidate{a, b}, Rule{}, true)
	said := strings.Contains(c.Reason, "so the difference is more than noise")
	if c.Best.Trial != "d50" || c.Lead == nil || c.Lead.WithinNoise() || !said {
		t.Errorf("lead %+v of %s: %s", c.Lead, c.Best.Trial, c.Reason)
	}
	if math.Abs(c.Lead.Value-(b.Metrics.AUCPR-a.Metrics.AUCPR)) > 1e-12 {
		t.Errorf("the lead is %v, but the values differ by %v", c.Lead.Value, b.Metrics.AUCPR-a.Metrics.AUCPR)
	}
	b.Scores = b.Scores[1:]
	c = Choose([]Candidate{a, b}, Rule{}, true)
	if c.Lead != nil || !strings.Contains(c.Reason, "so the difference is within noise") {
		t.Errorf("without the same samples: lead %+v: %s", c.Lead, c.Reason)
	}
}

func averagePrecision(t *testing.T, c Candidate) float64 {
	t.Helper()
	v, err := score.AveragePrecision(samples(c.Scores))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// trial returns a candidate's trial, or "" without a candidate.
func trial(c *Candidate) string {
	if c == nil {
		return ""
	}
	return c.Trial
}
