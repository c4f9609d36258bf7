package selection

import (
	"fmt"
	"strings"

	"plumbline.dev/plumbline/score"
)

// explain returns the reason of a choice: why the best is the best, which trial is the runner-up, by how much, and
// whether the difference is more than noise. The paired interval of the difference decides about noise if there is one.
// Otherwise each trial's own interval does, which finds fewer differences.
func explain(c Choice, compared []Candidate, rule Rule) string {
	var s []string
	switch {
	case c.Best == nil && len(compared) == 0:
		s = append(s, "No trial has reported a checkpoint yet.")
	case c.Best == nil:
		s = append(s, fmt.Sprintf("No checkpoint reaches minValue %.4f.", rule.MinValue))
	default:
		s = append(s, whyBest(c, compared))
		if c.RunnerUp != nil {
			s = append(s, whyNot(*c.Best, *c.RunnerUp, c.Lead))
		}
	}
	if len(c.Excluded) > 0 {
		s = append(s, fmt.Sprintf("Trials that learned from other data are not compared: %s.",
			strings.Join(c.Excluded, ", ")))
	}
	return strings.Join(s, " ")
}

// whyBest returns why the best was chosen among the compared candidates.
func whyBest(c Choice, compared []Candidate) string {
	best, top := *c.Best, *c.Best
	for _, o := range compared {
		if o.Metrics.AUCPR > top.Metrics.AUCPR {
			top = o
		}
	}
	value, epoch := best.Metrics.AUCPR, best.Epoch
	switch {
	case top.Trial != best.Trial:
		return fmt.Sprintf(
			"%s is the smallest depth whose AUC-PR, %.4f at epoch %d, is within tieMargin of the highest, %.4f of %s.",
			best.Trial, value, epoch, top.Metrics.AUCPR, top.Trial)
	case len(compared) == 1:
		return fmt.Sprintf("%s is the only trial with a checkpoint: AUC-PR %.4f at epoch %d.", best.Trial, value, epoch)
	case c.RunnerUp != nil && c.RunnerUp.Metrics.AUCPR == value:
		return fmt.Sprintf("%s and %s both have the highest AUC-PR, %.4f; the smaller depth wins, %s at epoch %d.",
			best.Trial, c.RunnerUp.Trial, value, best.Trial, epoch)
	default:
		return fmt.Sprintf("%s has the highest AUC-PR: %.4f at epoch %d.", best.Trial, value, epoch)
	}
}

// whyNot returns how the runner-up compares with the best.
func whyNot(best, next Candidate, lead *score.Difference) string {
	s := fmt.Sprintf("The runner-up %s has %.4f at epoch %d, %s",
		next.Trial, next.Metrics.AUCPR, next.Epoch, distance(next.Metrics.AUCPR-best.Metrics.AUCPR))
	switch {
	case lead != nil:
		verdict := "more than noise"
		if lead.WithinNoise() {
			verdict = "within noise"
		}
		return s + fmt.Sprintf(
			"; on the same samples the lead is %.4f (95 %% interval %.4f to %.4f), so the difference is %s.",
			lead.Value, lead.Low, lead.High, verdict)
	case next.within(best):
		return s + withinNoise(next, best)
	case best.within(next):
		return s + withinNoise(best, next)
	default:
		return s + ", and each value is outside the other's 95 % interval."
	}
}

// distance describes a value that lies above the best's by the given amount, which is negative if it lies below.
func distance(above float64) string {
	switch {
	case above < 0:
		return fmt.Sprintf("%.4f lower", -above)
	case above > 0:
		return fmt.Sprintf("%.4f higher", above)
	default:
		return "the same value"
	}
}

// withinNoise returns text to end a sentence with. The text says that a's value is inside b's interval.
func withinNoise(a, b Candidate) string {
	return fmt.Sprintf(
		"; the value of %s is within the 95 %% interval of %s (%.4f to %.4f), so the difference is within noise.",
		a.Trial, b.Trial, b.Metrics.AUCPRLow, b.Metrics.AUCPRHigh)
}

// within reports whether c's value lies inside o's interval.
func (c Candidate) within(o Candidate) bool {
	return c.Metrics.AUCPR >= o.Metrics.AUCPRLow && c.Metrics.AUCPR <= o.Metrics.AUCPRHigh
}
