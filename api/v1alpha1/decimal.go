package v1alpha1

import (
	"fmt"
	"math"
	"strconv"
)

// Decimal is a number with a fraction, written as a string such as "0.001" or "1e-3". The CRD's pattern accepts plain
// and exponent notation without a sign. Where a field has a range, a rule on the field checks it.
//
// +kubebuilder:validation:MaxLength=24
// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$`
type Decimal string

// Float64 returns the value of d. It returns an error if d is not a finite decimal number.
func (d Decimal) Float64() (float64, error) {
	v, err := strconv.ParseFloat(string(d), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a decimal number such as \"0.001\"", string(d))
	}
	return v, nil
}

// FormatDecimal returns v with four digits after the decimal point, as status shows it.
func FormatDecimal(v float64) Decimal {
	if v == 0 {
		v = 0 // this removes the sign of -0, which the pattern of Decimal does not accept
	}
	return Decimal(strconv.FormatFloat(v, 'f', 4, 64))
}
