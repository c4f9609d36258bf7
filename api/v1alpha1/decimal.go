package v1alpha1

import (
	"fmt"
	"math"
	"strconv"
)

// Decimal is a number with a fraction, written as a string: "0.001", "1e-3". The CRD's pattern admits plain and exponent
// notation; a range, where there is one, is a rule on the field.
//
// +kubebuilder:validation:MaxLength=24
// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$`
type Decimal string

// Float64 is the value of d.
func (d Decimal) Float64() (float64, error) {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a decimal number such as \"0.001\"", string(d))
	}
	return v, nil
}

// FormatDecimal writes v with four digits after the point: what status shows.
func FormatDecimal(v float64) Decimal {
	if v == 0 {
		v = 0 // -0 is a share like any other, and its sign no decimal
	}
	return Decimal(strconv.FormatFloat(v, 'f', 4, 64))
}
