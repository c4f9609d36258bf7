package resolve

import (
	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/selection"
)

// defaultCohortMargin is a difference of AUC-PR.
const defaultCohortMargin = 0.1

// Rule returns a run's objective as numbers. The API server has checked that every value is a decimal number.
func Rule(o *api.Objective) selection.Rule {
	if o == nil {
		return selection.Rule{}
	}
	r := resolver{}
	return selection.Rule{
		TieMargin: r.decimal("objective.tieMargin", o.TieMargin, 0),
		MinValue:  r.decimal("objective.minValue", o.MinValue, 0),
	}
}

// CohortMargin returns earlyStopping.cohort.margin, which is a difference of AUC-PR.
func CohortMargin(c *api.CohortStopping) float64 {
	r := resolver{}
	return r.decimal("earlyStopping.cohort.margin", c.Margin, defaultCohortMargin)
}
