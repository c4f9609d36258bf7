package selection

import (
	"fmt"
	"math"
	"strings"

	"plumbline.dev/plumbline/score"
)

// explain says why the best is the best, who follows, by how much, and whether that is more than noise: by the paired
// interval of their difference where there is one, and otherwise by each trial's own, which can tell less apart.
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
		s = append(s, fmt.Sprintf("Not compared, because they learned from other data: %s.", strings.Join(c.Excluded, ", ")))
	}
	return strings.Join(s, " ")
}

func whyBest(c Choice, compared []Candidate) string {
	best, top := *c.Best, *c.Best
	for _, o := range compared {
		if o.Metrics.AUCPR > top.Metrics.AUCPR {
			top = o
		}
	}
	at := fmt.Sprintf("%.4f at epoch %d", best.Metrics.AUCPR, best.Epoch)
	switch {
	case top.Trial != best.Trial:
		return fmt.Sprintf("%s is the smallest depth within tieMargin of the highest AUC-PR (%.4f of %s), with %s.", best.Trial, top.Metrics.AUCPR, top.Trial, at)
	case len(compared) == 1:
		return fmt.Sprintf("%s is the only trial with a checkpoint: AUC-PR %s.", best.Trial, at)
	case c.RunnerUp != nil && c.RunnerUp.Metrics.AUCPR == best.Metrics.AUCPR:
		return fmt.Sprintf("%s has the highest AUC-PR, %s, as has %s; the smaller depth wins.", best.Trial, at, c.RunnerUp.Trial)
	default:
		return fmt.Sprintf("%s has the highest AUC-PR: %s.", best.Trial, at)
	}
}

func whyNot(best, next Candidate, lead *score.Difference) string {
	distance := "equal to it"
	switch margin := best.Metrics.AUCPR - next.Metrics.AUCPR; {
	case margin > 0:
		distance = fmt.Sprintf("%.4f below it", margin)
	case margin < 0:
		distance = fmt.Sprintf("%.4f above it", math.Abs(margin))
	}
	s := fmt.Sprintf("The runner-up %s has %.4f at epoch %d, %s", next.Trial, next.Metrics.AUCPR, next.Epoch, distance)
	switch {
	case lead != nil && lead.WithinNoise():
		return s + fmt.Sprintf("; on the same samples the lead is %.4f (95 %% interval %.4f to %.4f), so the two are within noise.", lead.Value, lead.Low, lead.High)
	case lead != nil:
		return s + fmt.Sprintf("; on the same samples the lead is %.4f (95 %% interval %.4f to %.4f), which is more than noise.", lead.Value, lead.Low, lead.High)
	case next.within(best):
		return s + fmt.Sprintf(": within %s's 95 %% interval (%.4f to %.4f), so the two are within noise.", best.Trial, best.Metrics.AUCPRLow, best.Metrics.AUCPRHigh)
	case best.within(next):
		return s + fmt.Sprintf(": %s lies within %s's 95 %% interval (%.4f to %.4f), so the two are within noise.", best.Trial, next.Trial, next.Metrics.AUCPRLow, next.Metrics.AUCPRHigh)
	default:
		return s + ", and each lies outside the other's 95 % interval."
	}
}

// within says whether c's value lies inside o's interval.
func (c Candidate) within(o Candidate) bool {
	return c.Metrics.AUCPR >= o.Metrics.AUCPRLow && c.Metrics.AUCPR <= o.Metrics.AUCPRHigh
}
